"""What is known of one cluster and what is to be done: members, ring, asks, links. Pure, with time as an argument.

Knows the messages of `codec.protocol`, and no bytes. Start reading at `session.Session`, whose `handle` is the only way in.
"""
