"""glTF 2.0 files as arrays: containers, buffers, compression, and the surfaces of a scene."""
