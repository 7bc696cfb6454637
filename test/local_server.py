"""A web server on this machine, for tests of what is fetched."""

import contextlib
import http.server
import threading


@contextlib.contextmanager
def serving(answer):
    """Yield the address of a server, and the paths that it was asked for.

    Args:
        answer: called with the request's handler, for GET and HEAD.
    """
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer(self)

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}", asked
        httpd.shutdown()
