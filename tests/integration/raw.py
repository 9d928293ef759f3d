"""HTTP/2 frame by frame (python3-h2), for what a gRPC library would not send."""
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.events

from harness import PATH


def frame(message, compressed=0):
    """One length-prefixed gRPC message."""
    return bytes([compressed]) + len(message).to_bytes(4, "big") + message


class Connection(h2.connection.H2Connection):
    """h2 closes at the first GOAWAY; streams that are open go on (RFC 9113 s6.8)."""

    def _receive_goaway_frame(self, frame):
        out = super()._receive_goaway_frame(frame)
        self.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN
        return out


class Answer:
    def __init__(self):
        self.headers, self.trailers, self.data, self.ended, self.reset = {}, {}, b"", False, None

    @property
    def status(self):
        """grpc-status, in the trailers or, if nothing else came, in the headers."""
        value = self.trailers.get("grpc-status", self.headers.get("grpc-status"))
        return None if value is None else int(value)

    @property
    def message(self):
        return self.trailers.get("grpc-message", self.headers.get("grpc-message"))


class Raw:
    def __init__(self, signet, alpn=("h2",), context=None):
        context = context or ssl.create_default_context(cadata=signet.roots())
        context.set_alpn_protocols(list(alpn))
        self.socket = context.wrap_socket(socket.create_connection(("127.0.0.1", signet.port), 20), server_hostname="localhost")
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False)
        self.h2 = Connection(config)
        self.h2.initiate_connection()
        self.answers, self.pings, self.goaways, self.closed = {}, 0, [], False
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def begin(self, token=None, path=PATH, extra=(), replace=None):
        """Open a stream with the headers of a gRPC call; its number."""
        fields = {":method": "POST", ":scheme": "https", ":authority": "localhost", ":path": path,
                  "content-type": "application/grpc", "te": "trailers", **(replace or {})}
        headers = [(k, v) for k, v in fields.items() if v is not None] + list(extra)
        if token:
            headers.append(("authorization", "Bearer " + token))
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, headers)
        self.flush()
        return stream

    def send(self, stream, data, end=True, step=None):
        """The bytes, in DATA frames of `step` bytes each written by itself."""
        step = step or min(len(data), 16384) or 1
        for i in range(0, len(data), step):
            self.h2.send_data(stream, data[i:i + step])
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def call(self, message, token=None, **more):
        stream = self.begin(token, **more)
        self.send(stream, frame(message))
        return self.wait(stream)

    def take(self, event):
        answer = self.answers.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.ResponseReceived):
            answer.headers = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            answer.data += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = event.error_code
        elif isinstance(event, h2.events.PingAckReceived):
            self.pings += 1
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaways.append(event.error_code)

    def pump(self, until, timeout=20):
        """Read until the condition holds; False if the time is over or the connection is."""
        end = time.monotonic() + timeout
        while not until():
            left = end - time.monotonic()
            if left <= 0 or self.closed:
                return False
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except socket.timeout:
                return False
            except (ConnectionError, ssl.SSLError):
                data = b""
            if not data:
                self.closed = True
                continue
            for event in self.h2.receive_data(data):
                self.take(event)
            try:
                self.flush()
            except (ConnectionError, ssl.SSLError):
                self.closed = True
        return True

    def wait(self, stream, timeout=20):
        answer = self.answers[stream]
        assert self.pump(lambda: answer.ended or answer.reset is not None, timeout), "no answer"
        return answer

    def ping(self):
        before = self.pings
        self.h2.ping(b"12345678")
        self.flush()
        return self.pump(lambda: self.pings > before)
