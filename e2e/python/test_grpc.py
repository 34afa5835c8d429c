"""The gRPC contract with grpcio: the service, health and reflection."""
import importlib
import sys
import tempfile
import unittest

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc

from service import ROOT, Service


def contract():
    """The modules that grpcio's own compiler makes of the contract."""
    folder = tempfile.mkdtemp()
    proto = ROOT / "crates/presence-api/proto"
    assert protoc.main(["protoc", f"-I{proto}", f"--python_out={folder}", f"--grpc_python_out={folder}", str(proto / "presence.proto")]) == 0
    sys.path.insert(0, folder)
    return importlib.import_module("presence_pb2"), importlib.import_module("presence_pb2_grpc")


class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pb, services = contract()
        cls.service = Service()
        cls.channel = grpc.insecure_channel(cls.service.grpc)
        cls.stub = services.PresenceAPIStub(cls.channel)

    @classmethod
    def tearDownClass(cls):
        cls.channel.close()
        assert cls.service.stop() == 0

    def ask(self, ids, token):
        metadata = [("authorization", f"Bearer {token}")] if token else []
        return self.stub.GetUsersStatus(self.pb.GetUsersStatusRequest(userIds=ids), metadata=metadata, timeout=10)

    def code(self, ids, token):
        with self.assertRaises(grpc.RpcError) as raised:
            self.ask(ids, token)
        return raised.exception.code()

    def test_answers_in_the_order_asked(self):
        answer = self.ask(["b", "a", "b"], self.service.token("worker"))
        self.assertEqual([(u.userId, u.status) for u in answer.users], [("b", "offline"), ("a", "offline"), ("b", "offline")])

    def test_limits(self):
        token = self.service.token("worker")
        self.assertEqual(self.code([str(i) for i in range(1001)], token), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(self.code([""], token), grpc.StatusCode.INVALID_ARGUMENT)

    def test_tokens(self):
        self.assertEqual(self.code(["a"], None), grpc.StatusCode.UNAUTHENTICATED)
        self.assertEqual(self.code(["a"], self.service.token("worker", aud="other")), grpc.StatusCode.UNAUTHENTICATED)
        self.assertEqual(self.code(["a"], self.service.token("worker", scope="openid")), grpc.StatusCode.PERMISSION_DENIED)

    def test_health_needs_no_token(self):
        health = health_pb2_grpc.HealthStub(self.channel)
        for name in ("", "presenceapi.PresenceAPI"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
            self.assertEqual(answer.status, health_pb2.HealthCheckResponse.SERVING)

    def test_reflection_names_the_service(self):
        names = ProtoReflectionDescriptorDatabase(self.channel).get_services()
        self.assertIn("presenceapi.PresenceAPI", names)


if __name__ == "__main__":
    unittest.main()
