// Print jawOpen as it is published. Needs nothing but libzmq (libzmq.dll, libzmq.so) beside it:
//   csc Subscriber.cs   or   mcs Subscriber.cs;   mono Subscriber.exe [ADDRESS]
// In a project of your own take NetMQ and MessagePack instead, see docs/wire.md.
using System;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

static class Subscriber
{
    const int Sub = 2, Subscribe = 6, Conflate = 54;

    [DllImport("libzmq")] static extern IntPtr zmq_ctx_new();
    [DllImport("libzmq")] static extern IntPtr zmq_socket(IntPtr context, int type);
    [DllImport("libzmq")] static extern int zmq_setsockopt(IntPtr socket, int option, byte[] value, UIntPtr size);
    [DllImport("libzmq")] static extern int zmq_connect(IntPtr socket, string address);
    [DllImport("libzmq")] static extern int zmq_recv(IntPtr socket, byte[] buffer, UIntPtr size, int flags);

    static void Main(string[] arguments)
    {
        var socket = zmq_socket(zmq_ctx_new(), Sub);
        var topic = Encoding.ASCII.GetBytes("face/1 ");
        zmq_setsockopt(socket, Conflate, BitConverter.GetBytes(1), (UIntPtr)4); // only the newest face
        zmq_setsockopt(socket, Subscribe, topic, (UIntPtr)topic.Length);
        zmq_connect(socket, arguments.Length > 0 ? arguments[0] : "tcp://127.0.0.1:5570");
        var message = new byte[65536];
        while (zmq_recv(socket, message, (UIntPtr)message.Length, 0) > 0)
        {
            var at = topic.Length + 1; // behind the topic and the word that opens the array
            var source = Encoding.UTF8.GetString(Bytes(message, ref at));
            var sequence = Number(message, ref at);
            for (var skipped = 0; skipped < 3; skipped++) Number(message, ref at); // three times
            var weights = Bytes(message, ref at);
            var jawOpen = BitConverter.ToSingle(weights, 4 * 17);
            Console.WriteLine(source + " " + sequence + " " + jawOpen.ToString("F3", CultureInfo.InvariantCulture));
        }
    }

    // msgpack: an unsigned number of 1, 2, 4 or 8 bytes, or a small one as it is.
    static ulong Number(byte[] data, ref int at)
    {
        var word = data[at++];
        if (word < 0x80) return word;
        ulong value = 0;
        for (var left = 1 << (word - 0xcc); left > 0; left--) value = value << 8 | data[at++];
        return value;
    }

    // msgpack: text (fixstr, str 8) or bytes (bin 8, bin 16).
    static byte[] Bytes(byte[] data, ref int at)
    {
        var word = data[at++];
        int size = word < 0xc0 ? word & 0x1f : data[at++];
        if (word == 0xc5) size = size << 8 | data[at++];
        var found = new byte[size];
        Array.Copy(data, at, found, 0, size);
        at += size;
        return found;
    }
}
