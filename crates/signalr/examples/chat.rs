//! A chat with rooms: `cargo run -p signalr --example chat`, then connect any SignalR client to
//! `http://localhost:5000/chat`, invoke `Join` and `Say`, and handle `Joined`, `Said` and `Left`.

use std::sync::Arc;

use signalr::{CloseReason, Context, Hub, HubEndpoint, HubError, Methods};

struct Chat;

impl Hub for Chat {
    fn methods(methods: &mut Methods<Self>) {
        methods.call("Join", Self::join);
        methods.call("Say", Self::say);
    }

    async fn on_disconnected(
        self: Arc<Self>,
        context: Context,
        _: CloseReason,
    ) -> Result<(), HubError> {
        let who = context.connection_id();
        context.clients().all().send("Left", (who,)).await?;
        Ok(())
    }
}

impl Chat {
    async fn join(self: Arc<Self>, context: Context, room: String) -> Result<(), HubError> {
        let who = context.connection_id();
        context.groups().add(who, &room).await?;
        let others = context.clients().others_in_group(&room);
        others.send("Joined", (&room, who)).await?;
        Ok(())
    }

    async fn say(
        self: Arc<Self>,
        context: Context,
        room: String,
        text: String,
    ) -> Result<(), HubError> {
        if text.is_empty() {
            return Err(HubError::new("say something"));
        }
        let message = (&room, context.connection_id(), &text);
        context.clients().group(&room).send("Said", message).await?;
        Ok(())
    }
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let chat = HubEndpoint::builder(Chat).build();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:5000").await?;
    axum::serve(listener, chat.router("/chat")).await
}
