#include "CProcess.h"

#include <nss.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

static int argument_count;
static char **arguments;
static int has_set_root;

// No loader was mapped, so there is nothing shared.
static int is_static(void) { return getauxval(AT_BASE) == 0; }

// Runs before the constructors of Swift's runtime. The C library gives main's arguments to constructors as well.
__attribute__((constructor(101))) static void before_runtime(int count, char **values) {
    argument_count = count;
    arguments = values;
    // The runtime looks for its program that prints backtraces beside itself, and ends the process where it cannot tell
    // where that is. With a root given it does not ask.
    if (is_static() && access("/proc/self/exe", F_OK) != 0 && getenv("SWIFT_ROOT") == NULL) {
        has_set_root = setenv("SWIFT_ROOT", "/", 0) == 0;
    }
}

int kv_argument_count(void) { return argument_count; }

const char *kv_argument(int index) { return arguments[index]; }

void kv_process_started(void) {
    if (has_set_root) unsetenv("SWIFT_ROOT");
    if (!is_static()) return;
    __nss_configure_lookup("hosts", "files dns");
    __nss_configure_lookup("passwd", "files");
    __nss_configure_lookup("group", "files");
}
