"""Limit the head of a request, which uvicorn reads into memory however long it is.

A client without a key could send headers for ever: 300 MB of them took six gigabytes. Beyond these limits the answer is
431 (RFC 6585, "Additional HTTP Status Codes") and the connection is closed, whatever the path.
"""

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 2**16  # of the request line and all headers
MAX_HEADERS = 100
PARSED_AT_ONCE = 2**14  # bytes; a head can be as much longer than the limit before that is seen
LINGER_S = 1.0  # for which the answer can be read before the connection is reset, since not all that was sent is read
TOO_LARGE = (
    f"The request's head is too large: {MAX_HEAD_BYTES:,} bytes and {MAX_HEADERS} headers are allowed.\n"
).encode()


class HeadTooLargeError(Exception):
    """Stops the parser."""


class LimitedHttpProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, with limits for what comes outside a body: head, trailers and chunk extensions."""

    _outside_body = 0  # bytes parsed since the last part of a body, or since the last request ended
    _in_head = True
    _refused = False

    def data_received(self, data: bytes) -> None:
        """Parse what came, in pieces, so that a head that never ends is refused before it is kept."""
        for start in range(0, len(data), PARSED_AT_ONCE):
            if self._refused or self.transport.is_closing():
                return
            piece = data[start : start + PARSED_AT_ONCE]
            self._outside_body += len(piece)
            super().data_received(piece)
            if self._outside_body > MAX_HEAD_BYTES:
                self._refuse()

    def on_headers_complete(self) -> None:
        """Refuse a head that is too large though it came at once, or let it be answered."""
        if len(self.headers) > MAX_HEADERS or (self._outside_body > MAX_HEAD_BYTES and self._size() > MAX_HEAD_BYTES):
            raise HeadTooLargeError
        self._outside_body = 0
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body, which has limits of its own."""
        self._outside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request; the next one on this connection may have as large a head."""
        self._outside_body = 0
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser refused; uvicorn calls this for any reason."""
        if len(self.headers or ()) > MAX_HEADERS or self._outside_body > MAX_HEAD_BYTES:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def on_response_complete(self) -> None:
        """Go on with the next request, or end the connection of a client whose next one was refused."""
        super().on_response_complete()
        if self._refused and not self.transport.is_closing():
            self.flow.pause_reading()
            if self.cycle.response_complete:
                self._close()

    def _refuse(self) -> None:
        """Read no more; what came before on this connection is answered first."""
        if self._refused or self.transport.is_closing():
            return
        self._refused = True
        self.flow.pause_reading()
        if self.cycle is None or self.cycle.response_complete:
            self._close()

    def _close(self) -> None:
        self._unset_keepalive_if_required()
        if self._in_head:
            status = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            about = b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(TOO_LARGE)
            self.transport.write(status + about + b"connection: close\r\n\r\n" + TOO_LARGE)
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.abort)
