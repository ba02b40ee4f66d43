/**
 * Telling the service manager how the server is, where it asked for that (NOTIFY_SOCKET, as of systemd's Type=notify).
 */
#ifndef PQ_SERVER_NOTIFY_H
#define PQ_SERVER_NOTIFY_H

/** Send "READY=1" or "STOPPING=1" to `path`, a socket's, or "@name" for an abstract one. NULL or "": nobody asked. What
 * cannot be sent is logged. */
void pq_notify(const char *path, const char *state);

#endif
