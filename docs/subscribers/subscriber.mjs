// Print jawOpen as it is published: npm install zeromq @msgpack/msgpack; node subscriber.mjs [ADDRESS]
import { Subscriber } from "zeromq";
import { decode } from "@msgpack/msgpack";

const socket = new Subscriber({ conflate: true }); // only the newest face, however slow this is
socket.connect(process.argv[2] ?? "tcp://127.0.0.1:5570");
socket.subscribe("face/1 ");
for await (const [message] of socket) {
  const fields = decode(message.subarray(7), { useBigInt64: true });
  const weights = new DataView(fields[5].buffer, fields[5].byteOffset, fields[5].byteLength);
  const jawOpen = weights.getFloat32(4 * 17, true); // little-endian
  console.log(`${fields[0]} ${fields[1]} ${jawOpen.toFixed(3)}`);
}
