#!/usr/bin/env python3
"""A web server for the tests of fetching: files with ETag and ranges, or what stands before a registry.

place_server.py ROOT [--tls CERT KEY] [--login NAME:PASSWORD] [--cut BYTES] [--no-ranges]
place_server.py --proxy HOST:PORT --login NAME:PASSWORD

Prints its port. --cut breaks each body off after so many bytes. As a proxy it wants a token, which it gives to who says
name and password, and hands everything else on. Each request is a line on standard error.
"""
import argparse
import base64
import hashlib
import http.client
import http.server
import os
import ssl
import sys
import urllib.parse

parser = argparse.ArgumentParser()
parser.add_argument("root", nargs="?")
parser.add_argument("--tls", nargs=2)
parser.add_argument("--login")
parser.add_argument("--cut", type=int)
parser.add_argument("--no-ranges", action="store_true")
parser.add_argument("--proxy")
args = parser.parse_args()
TOKEN = "opaque-token"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, text, *words):
        sys.stderr.write(text % words + " [%s]\n" % (self.headers.get("Range", "") if self.headers else ""))
        sys.stderr.flush()

    def answer(self, code, body=b"", headers=()):
        self.send_response(code)
        for name, value in headers:
            self.send_header(name, value)
        if code not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if args.cut is not None and code in (200, 206) and len(body) > args.cut:
            self.wfile.write(body[: args.cut])
            self.wfile.flush()
            self.close_connection = True
            return
        self.wfile.write(body)

    def knows_password(self):
        word = base64.b64encode(args.login.encode()).decode()
        return self.headers.get("Authorization") == "Basic " + word

    def serve_file(self):
        if args.login and not self.knows_password():
            return self.answer(401, b"who are you?\n", [("WWW-Authenticate", "Basic realm=here")])
        path = os.path.join(args.root, urllib.parse.unquote(self.path).lstrip("/"))
        try:
            with open(path, "rb") as file:
                body = file.read()
        except OSError:
            return self.answer(404, b"no such file here\n")
        tag = '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        if self.headers.get("If-None-Match") == tag:
            return self.answer(304, headers=[("ETag", tag)])
        wanted = self.headers.get("Range", "")
        if wanted.startswith("bytes=") and not args.no_ranges:
            start = int(wanted[6:].split("-")[0])
            span = "bytes %d-%d/%d" % (start, len(body) - 1, len(body))
            return self.answer(206, body[start:], [("ETag", tag), ("Content-Range", span)])
        return self.answer(200, body, [("ETag", tag)])

    def pass_on(self):
        host = self.headers.get("Host")
        if self.path.startswith("/token"):
            if not self.knows_password():
                return self.answer(401, b"no token for you\n")
            return self.answer(200, ('{"token": "%s"}' % TOKEN).encode())
        if self.headers.get("Authorization") != "Bearer " + TOKEN:
            want = 'Bearer realm="http://%s/token",service="a registry",scope="repository:x:pull,push"' % host
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            return self.answer(401, b"{}", [("WWW-Authenticate", want)])
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        back = http.client.HTTPConnection(args.proxy)
        kept = {k: v for k, v in self.headers.items() if k != "Authorization"}
        back.request(self.command, self.path, body, kept)
        got = back.getresponse()
        dropped = ("content-length", "connection", "transfer-encoding", "date", "server")
        return self.answer(got.status, got.read(), [(k, v) for k, v in got.getheaders() if k.lower() not in dropped])

    def do_GET(self):
        return self.pass_on() if args.proxy else self.serve_file()

    def do_HEAD(self):
        return self.do_GET()

    def do_PUT(self):
        return self.pass_on() if args.proxy else self.answer(405)

    def do_POST(self):
        return self.do_PUT()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
if args.tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*args.tls)
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
