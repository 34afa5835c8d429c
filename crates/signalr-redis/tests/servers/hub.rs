//! The part of the test hub that is about other clients; the peer on ASP.NET Core has the same.

use std::sync::Arc;

use signalr::{Context, Hub, HubError, Methods};

pub(crate) struct TestHub;

type Answer<T> = Result<T, HubError>;

impl Hub for TestHub {
    fn methods(methods: &mut Methods<Self>) {
        methods.call("SendAll", Self::send_all);
        methods.call("SendOthers", Self::send_others);
        methods.call("SendUser", Self::send_user);
        methods.call("SendClient", Self::send_client);
        methods.call("SendGroup", Self::send_group);
        methods.call("SendOthersInGroup", Self::send_others_in_group);
        methods.call("Join", Self::join);
        methods.call("Leave", Self::leave);
        methods.call("JoinOther", Self::join_other);
        methods.call("LeaveOther", Self::leave_other);
        methods.call("AskClient", Self::ask_client);
    }
}

impl TestHub {
    async fn send_all(self: Arc<Self>, context: Context, text: String) -> Answer<()> {
        Ok(context.clients().all().send("Receive", (text,)).await?)
    }

    async fn send_others(self: Arc<Self>, context: Context, text: String) -> Answer<()> {
        Ok(context.clients().others().send("Receive", (text,)).await?)
    }

    async fn send_user(
        self: Arc<Self>,
        context: Context,
        user: String,
        text: String,
    ) -> Answer<()> {
        let user = context.clients().user(&user);
        Ok(user.send("Receive", (text,)).await?)
    }

    async fn send_client(
        self: Arc<Self>,
        context: Context,
        id: String,
        text: String,
    ) -> Answer<()> {
        let client = context.clients().client(&id);
        Ok(client.send("Receive", (text,)).await?)
    }

    async fn send_group(
        self: Arc<Self>,
        context: Context,
        group: String,
        text: String,
    ) -> Answer<()> {
        let group = context.clients().group(&group);
        Ok(group.send("Receive", (text,)).await?)
    }

    async fn send_others_in_group(
        self: Arc<Self>,
        context: Context,
        group: String,
        text: String,
    ) -> Answer<()> {
        let others = context.clients().others_in_group(&group);
        Ok(others.send("Receive", (text,)).await?)
    }

    async fn join(self: Arc<Self>, context: Context, group: String) -> Answer<()> {
        let groups = context.groups();
        Ok(groups.add(context.connection_id(), &group).await?)
    }

    async fn leave(self: Arc<Self>, context: Context, group: String) -> Answer<()> {
        let groups = context.groups();
        Ok(groups.remove(context.connection_id(), &group).await?)
    }

    async fn join_other(
        self: Arc<Self>,
        context: Context,
        id: String,
        group: String,
    ) -> Answer<()> {
        Ok(context.groups().add(&id, &group).await?)
    }

    async fn leave_other(
        self: Arc<Self>,
        context: Context,
        id: String,
        group: String,
    ) -> Answer<()> {
        Ok(context.groups().remove(&id, &group).await?)
    }

    async fn ask_client(self: Arc<Self>, context: Context, id: String, value: i32) -> Answer<i32> {
        context.clients().client(&id).invoke("Ask", (value,)).await
    }
}
