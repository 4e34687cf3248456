"""Print jawOpen as it is published: pip install pyzmq msgspec; python subscriber.py [ADDRESS]."""

import struct
import sys

import msgspec
import zmq

socket = zmq.Context().socket(zmq.SUB)
socket.set(zmq.CONFLATE, 1)  # only the newest face, however slow this is
socket.set(zmq.SUBSCRIBE, b"face/1 ")
socket.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5570")
while True:
    fields = msgspec.msgpack.decode(socket.recv()[7:])
    weights = struct.unpack("<52f", fields[5])
    sys.stdout.write(f"{fields[0]} {fields[1]} {weights[17]:.3f}\n")
    sys.stdout.flush()
