"""web3.py against the URL in RPC_URL; started by clients.web3py.test.mjs."""

import json
import os
import unittest

from web3 import HTTPProvider, Web3
from web3.exceptions import ContractLogicError, MethodUnavailable, Web3RPCError

FIXTURE = json.loads(os.environ["FIXTURE"])
ABI = [
    {"type": "function", "name": "peek", "inputs": [], "outputs": [{"type": "uint256"}], "stateMutability": "view"},
    {"type": "event", "name": "Ping", "inputs": [{"name": "number", "type": "uint256", "indexed": False}], "anonymous": False},
]
FIRST, LAST = FIXTURE["PINGS"]["from"], FIXTURE["PINGS"]["to"]


class ThroughTheRouter(unittest.TestCase):
    def setUp(self):
        self.w3 = Web3(HTTPProvider(os.environ["RPC_URL"], request_kwargs={"timeout": 15}))
        self.ping = self.w3.eth.contract(address=Web3.to_checksum_address(FIXTURE["PING"]), abi=ABI)

    def test_is_connected_and_reads_blocks(self):
        self.assertTrue(self.w3.is_connected(show_traceback=True))
        self.assertEqual(self.w3.eth.chain_id, 31337)
        block = self.w3.eth.get_block(FIRST, full_transactions=True)
        self.assertEqual(block["number"], FIRST)
        self.assertEqual(block["transactions"][0]["to"].lower(), FIXTURE["PING"])
        self.assertGreaterEqual(self.w3.eth.block_number, 20)

    def test_calls_and_logs(self):
        self.assertEqual(self.ping.functions.peek().call(block_identifier=20), 20)
        logs = self.w3.eth.get_logs({"address": self.ping.address, "fromBlock": FIRST, "toBlock": LAST})
        self.assertEqual([log["blockNumber"] for log in logs], list(range(FIRST, LAST + 1)))
        events = self.ping.events.Ping.get_logs(from_block=FIRST, to_block=LAST)
        self.assertEqual([event["args"]["number"] for event in events], list(range(FIRST, LAST + 1)))

    def test_sends_a_signed_transaction(self):
        account = self.w3.eth.account.from_key(FIXTURE["SENDER_KEY"])
        signed = account.sign_transaction(
            {
                "to": self.ping.address,
                "data": "0x5c36b186",
                "value": 0,
                "gas": 100_000,
                "maxFeePerGas": 3_000_000_000,
                "maxPriorityFeePerGas": 1_000_000_000,
                "nonce": self.w3.eth.get_transaction_count(account.address),
                "chainId": self.w3.eth.chain_id,
            }
        )
        sent = self.w3.eth.send_raw_transaction(signed.raw_transaction)
        receipt = self.w3.eth.wait_for_transaction_receipt(sent, timeout=15, poll_latency=0.05)
        self.assertEqual(receipt["status"], 1)
        self.assertEqual(len(receipt["logs"]), 1)

    def test_batches(self):
        with self.w3.batch_requests() as batch:
            for number in range(20):
                batch.add(self.w3.eth.get_block(number))
            blocks = batch.execute()
        self.assertEqual([block["number"] for block in blocks], list(range(20)))

    def test_a_revert_is_a_revert(self):
        refuse = Web3.to_checksum_address(FIXTURE["REFUSE"])
        with self.assertRaises(ContractLogicError) as caught:
            self.w3.eth.call({"to": refuse, "data": "0x"})
        self.assertIn("nope", str(caught.exception))
        self.assertEqual(caught.exception.data, FIXTURE["REFUSE_DATA"])

    def test_an_unknown_method_is_refused_as_such(self):
        response = self.w3.provider.make_request("eth_noSuchMethod", [])
        self.assertEqual(response["error"]["code"], -32601)

    def test_filters_are_refused_as_such(self):
        with self.assertRaises((MethodUnavailable, Web3RPCError)):
            self.w3.eth.filter("latest")
