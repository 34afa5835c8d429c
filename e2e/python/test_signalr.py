"""The presence hub with two clients that Microsoft did not write."""
import asyncio
import unittest

from pysignalr.client import SignalRClient
from pysignalr.messages import CompletionMessage
from pysignalr.protocol.json import JSONProtocol
from pysignalr.protocol.messagepack import MessagepackProtocol
from signalrcore.hub_connection_builder import HubConnectionBuilder

from service import Service, until


class SignalR(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # signalrcore notices that it is stopped when the server pings.
        cls.service = Service(Presence__Grace="1", SignalR__KeepAliveInterval="1")

    @classmethod
    def tearDownClass(cls):
        assert cls.service.stop() == 0

    def core(self, user):
        connection = HubConnectionBuilder().with_url(
            f"http://{self.service.web}/_hubs/presence",
            options={"access_token_factory": lambda: self.service.token(user)}).build()
        opened = []
        connection.on_open(lambda: opened.append(True))
        connection.events = []
        connection.on("PresenceStatusChanged", connection.events.append)
        connection.start()
        until("signalrcore connects", lambda: opened)
        return connection

    def test_signalrcore(self):
        alice = self.core("alice-core")
        subscribed = []
        alice.send("SubscribeToUserStatus", ["bob-core"], lambda m: subscribed.append(m))
        until("alice watches bob", lambda: subscribed)
        bob = self.core("bob-core")
        until("bob comes", lambda: alice.events == [["bob-core", "online"]])
        answers = []
        alice.send("GetUserStatus", ["bob-core"], lambda m: answers.append(m.result))
        until("alice asks", lambda: answers == ["online"])
        bob.stop()
        until("bob goes", lambda: alice.events == [["bob-core", "online"], ["bob-core", "offline"]])
        alice.stop()

    def test_pysignalr(self):
        for protocol in (JSONProtocol, MessagepackProtocol):
            with self.subTest(protocol.__name__):
                asyncio.run(asyncio.wait_for(self.session(protocol), 30))

    async def session(self, protocol):
        alice, bob = f"alice-{protocol.__name__}", f"bob-{protocol.__name__}"
        events, answers, opened = [], [], asyncio.Event()
        client = SignalRClient(f"http://{self.service.web}/_hubs/presence", protocol=protocol(),
                               headers={"Authorization": f"Bearer {self.service.token(alice)}"})

        async def on_open():
            opened.set()

        async def on_event(arguments):
            events.append(arguments)

        async def on_answer(message: CompletionMessage):
            answers.append(message.result)

        async def held(condition):
            while not condition():
                await asyncio.sleep(0.01)

        client.on_open(on_open)
        client.on("PresenceStatusChanged", on_event)
        running = asyncio.create_task(client.run())
        await opened.wait()
        await client.send("SubscribeToUserStatus", [bob], on_answer)
        await held(lambda: answers == [None])
        other = SignalRClient(f"http://{self.service.web}/_hubs/presence", protocol=protocol(),
                              headers={"Authorization": f"Bearer {self.service.token(bob)}"})
        there = asyncio.create_task(other.run())
        await held(lambda: events == [[bob, "online"]])
        await client.send("GetUserStatus", [bob], on_answer)
        await held(lambda: answers == [None, "online"])
        there.cancel()
        await asyncio.gather(there, return_exceptions=True)
        await held(lambda: events == [[bob, "online"], [bob, "offline"]])
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    unittest.main()
