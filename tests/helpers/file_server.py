"""A server that stands in for those that programs are fetched from."""

import http.server

from elf_programs import SCRIPT


class Server:
  """Answers with `content`, and says that it is `length` long; counts how often it was asked."""

  def __init__(self):
    self.content, self.length, self.status, self.asked = SCRIPT, None, 200, 0
    outer = self

    class Handler(http.server.BaseHTTPRequestHandler):
      def do_GET(self):
        outer.asked += 1
        self.send_response(outer.status)
        length = len(outer.content) if outer.length is None else outer.length
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(outer.content)

      def log_message(self, *_):
        pass

    self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    self.url = f"http://127.0.0.1:{self.http.server_address[1]}/benchmark_model"
