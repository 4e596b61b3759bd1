"""The HTTP server of Python's own library, with TLS by OpenSSL: python_http.py PORT HTTP/1.0|HTTP/1.1 REQUESTS [CERT KEY [CLIENT_CA]]

Appends each request as a line of JSON to the file REQUESTS, and then answers it with the number of requests so far:
{"n": 1}.
"""
import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

port, protocol, requests_path, *pem = sys.argv[1:]
requests = open(requests_path, "a")
lock = threading.Lock()
count = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = protocol

    def answer(self):
        global count
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        subject = getattr(self.connection, "getpeercert", lambda: None)()
        with lock:
            count += 1
            number = count
            request = {"method": self.command, "path": self.path, "body": body, "client": subject is not None and len(subject) > 0}
            print(json.dumps(request), file=requests, flush=True)
        payload = json.dumps({"n": number}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        if protocol == "HTTP/1.1":
            self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(payload)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = answer

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    def finish_request(self, request, address):
        # The handshake belongs to the thread of the connection: one that fails must not stop the server.
        if context is not None:
            try:
                request.settimeout(20)
                request = context.wrap_socket(request, server_side=True)
            except OSError:
                return
        super().finish_request(request, address)

    def handle_error(self, *_):
        pass


context = None
if pem:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem[0], pem[1])
    if len(pem) > 2:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(pem[2])
Server(("127.0.0.1", int(port)), Handler).serve_forever()
