#include "CRelease.h"

const char *kv_release_version(void) { return KV_VERSION; }

const char *kv_release_commit(void) { return KV_COMMIT; }
