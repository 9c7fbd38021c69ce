"""web3.py subscribed to the URL in WS_URL: says what it is told, line by line; started by clients.subscribe.test.mjs."""

import asyncio
import os

from web3 import AsyncWeb3, WebSocketProvider


async def main():
    async with AsyncWeb3(WebSocketProvider(os.environ["WS_URL"])) as w3:
        heads = await w3.eth.subscribe("newHeads")
        await w3.eth.subscribe("logs", {"address": w3.to_checksum_address(os.environ["PING"])})
        print("ready", flush=True)
        async for message in w3.socket.process_subscriptions():
            result = message["result"]
            if message["subscription"] == heads:
                print("head", result["number"], result["hash"].to_0x_hex(), flush=True)
            else:
                print("log", result["blockNumber"], result["blockHash"].to_0x_hex(), flush=True)


asyncio.run(main())
