"""One node of casty 0.30: ``node.py PORT [SEED_PORT ...]``. Ends with its stdin."""

import asyncio
import os
import sys

import shop.actors  # noqa: F401 - what a node runs
from casty import TLS, ActorSystem, Cluster


async def main() -> None:
    port, *seeds = sys.argv[1:]
    folder = os.environ.get("TLS_FOLDER")
    tls = TLS(cert=f"{folder}/node.pem", key=f"{folder}/node.key", ca=f"{folder}/ca.pem") if folder else None
    cluster = Cluster(bind=f"127.0.0.1:{port}", seeds=tuple(f"127.0.0.1:{seed}" for seed in seeds), name="shop", tls=tls)
    async with ActorSystem(cluster=cluster):
        print("up", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
