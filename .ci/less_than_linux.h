/* What macOS lacks, hidden from the compiled twins: cc -include this. See "no MSG_NOSIGNAL" in .ci/run. */
#include <pyconfig.h> /* it says which of the system's names there are, and has to be first */

/* glibc's are enumerators, too, which #undef leaves: so they go by other names. */
#define MSG_NOSIGNAL MSG_HIDDEN
#define SOCK_NONBLOCK SOCK_HIDDEN
#define accept4 hidden_accept4
#include <sys/socket.h>
#undef MSG_NOSIGNAL
#undef SOCK_NONBLOCK
#undef accept4
