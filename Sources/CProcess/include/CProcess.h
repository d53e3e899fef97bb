// What a process has to know or to set before Swift's runtime starts. An executable without shared libraries may run
// where there is nothing but itself, not even /proc, from which that runtime would learn the arguments and where it is.
#ifndef KV_CPROCESS_H
#define KV_CPROCESS_H

/// How many arguments this process was given, with its own name.
int kv_argument_count(void);

/// One of them, 0 to `kv_argument_count()` - 1; lives as long as the process.
const char *kv_argument(int index);

/// To be called at the beginning of main, while there is one thread. Has an executable without shared libraries look
/// names up in /etc/hosts and by DNS only, whatever nsswitch.conf says: the other ways are shared libraries, which fit
/// only the C library that they were built with, and that is another one here.
void kv_process_started(void);

#endif
