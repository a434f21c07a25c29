"""What users write and receive, whoever carries it: refs, envelopes, stand-ins, the shapes of classes, the closed table of them.

Pure; knows no bytes of a protocol. `limits` bounds what may be made of bytes from outside.
Start reading at `standin` for messages without their classes, and at `registry` for what may be built.
"""
