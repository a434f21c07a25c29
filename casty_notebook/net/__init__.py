"""What both backends dial with: name look-up, TCP, TLS, SSH, the address map, and probes that say what answers somewhere.

Sockets and threads, and nothing of a cluster. Start reading at `dialler`.
"""
