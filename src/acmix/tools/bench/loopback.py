"""Bandwidth between two processes of one machine."""

from __future__ import annotations

import socket
import threading
import time

CHUNK, COUNT = 2**22, 32


def loopback_bandwidth() -> float:
    """Measure the bandwidth of a TCP stream through the loopback, in bytes/s.

    It is an upper bound: MindSpore's all-reduce on CPU also uses the loopback, but waits between
    messages.
    """
    chunk = bytes(CHUNK)

    def send(sender: socket.socket) -> None:
        for _ in range(COUNT):
            sender.sendall(chunk)

    with socket.create_server(("127.0.0.1", 0)) as server:
        sender = socket.create_connection(server.getsockname())
        receiver, _ = server.accept()
        thread = threading.Thread(target=send, args=(sender,))
        with sender, receiver:
            buffer = bytearray(CHUNK)
            remaining = CHUNK * COUNT
            start = time.perf_counter()
            thread.start()
            while remaining:
                remaining -= receiver.recv_into(buffer)
            seconds = time.perf_counter() - start
            thread.join()
    return CHUNK * COUNT / seconds
