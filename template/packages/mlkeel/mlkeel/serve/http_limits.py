"""Limit the head of a request, which uvicorn reads into memory however long it is.

A client without a key could send headers without end: 300 MB of them took 6 GB of memory. Beyond these limits the
response is 431 (RFC 6585, "Additional HTTP Status Codes") and the connection is closed, whatever the path.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 2**16  # of the request line and all headers
MAX_HEADERS = 100
CHUNK_BYTES = 2**14  # parsed at once; a head can exceed the limit by as much before it is rejected
LINGER_S = 1.0  # time to read the response before the connection is reset, since some of the request stays unread
HEAD_TOO_LARGE_BODY = (
    f"The request's head is too large: {MAX_HEAD_BYTES:,} bytes and {MAX_HEADERS} headers are allowed.\n"
).encode()


class HeadTooLargeError(Exception):
    """Stop the parser, since the head of a request is too large."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn, with limits for all that is outside a body: head, trailers and chunk extensions."""

    _outside_body_bytes = 0  # parsed since the last chunk of a body, or since the end of the last request
    _in_head = True
    _rejected = False

    def data_received(self, data: bytes) -> None:
        """Parse `data` in chunks, so that a head without end is rejected before it fills the memory."""
        for start in range(0, len(data), CHUNK_BYTES):
            if self._rejected or self.transport.is_closing():
                return
            chunk = data[start : start + CHUNK_BYTES]
            self._outside_body_bytes += len(chunk)
            super().data_received(chunk)
            if self._outside_body_bytes > MAX_HEAD_BYTES:
                self._reject()

    def on_headers_complete(self) -> None:
        """Reject a complete head that is too large, and let any other be handled."""
        is_large = self._outside_body_bytes > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES
        if len(self.headers) > MAX_HEADERS or is_large:
            raise HeadTooLargeError
        self._outside_body_bytes = 0
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a chunk of the body, which has limits of its own."""
        self._outside_body_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the head of the next one on this connection is counted anew."""
        self._outside_body_bytes = 0
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Respond to a request that the parser rejected; uvicorn calls this for any reason."""
        if len(self.headers or ()) > MAX_HEADERS or self._outside_body_bytes > MAX_HEAD_BYTES:
            self._reject()
        else:
            super().send_400_response(msg)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_response_complete(self) -> None:
        """Go on with the next request, or close the connection if that one was rejected."""
        super().on_response_complete()
        if self._rejected and not self.transport.is_closing():
            self.flow.pause_reading()
            if self.cycle.response_complete:
                self._close()

    def _reject(self) -> None:
        """Stop reading; the requests before it on this connection are answered first."""
        if self._rejected or self.transport.is_closing():
            return
        self._rejected = True
        self.flow.pause_reading()
        if self.cycle is None or self.cycle.response_complete:
            self._close()

    def _close(self) -> None:
        self._unset_keepalive_if_required()
        if self._in_head:
            status = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            headers = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(HEAD_TOO_LARGE_BODY)
            self.transport.write(status + headers + b"connection: close\r\n\r\n" + HEAD_TOO_LARGE_BODY)
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)
