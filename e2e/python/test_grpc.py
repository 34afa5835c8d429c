"""The gRPC contract with grpcio: the service, health and reflection."""
import importlib
import sys
import tempfile
import unittest

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_tools import protoc

from service import ROOT, Service


def contract():
    """The modules that grpcio's own compiler makes of the contract."""
    proto = ROOT / "crates/presence-api/proto"
    with tempfile.TemporaryDirectory() as folder:
        assert protoc.main(["protoc", f"-I{proto}", f"--python_out={folder}", f"--grpc_python_out={folder}", str(proto / "presence.proto")]) == 0
        sys.path.insert(0, folder)
        modules = importlib.import_module("presence_pb2"), importlib.import_module("presence_pb2_grpc")
        sys.path.remove(folder)
    return modules


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
        self.assertEqual(len(self.ask([str(i) for i in range(1000)], token).users), 1000)
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

    def test_reflection_tells_the_contract(self):
        reflected = ProtoReflectionDescriptorDatabase(self.channel)
        self.assertIn("presenceapi.PresenceAPI", reflected.get_services())
        service = DescriptorPool(reflected).FindServiceByName("presenceapi.PresenceAPI")
        method = service.methods_by_name["GetUsersStatus"]
        self.assertEqual([(f.name, f.number) for f in method.input_type.fields], [("userIds", 1)])
        users = method.output_type.fields_by_name["users"]
        self.assertEqual([(f.name, f.number) for f in users.message_type.fields], [("userId", 1), ("status", 2)])

    def test_a_service_that_ends_tells_who_watches_its_health(self):
        service = Service()
        self.addCleanup(service.resources.close)
        with grpc.insecure_channel(service.grpc) as channel:
            told = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""), timeout=30)
            self.assertEqual(next(told).status, health_pb2.HealthCheckResponse.SERVING)
            service.ask_to_end()
            self.assertEqual([answer.status for answer in told], [health_pb2.HealthCheckResponse.NOT_SERVING])
            self.assertEqual(service.process.wait(60), 0)


if __name__ == "__main__":
    unittest.main()
