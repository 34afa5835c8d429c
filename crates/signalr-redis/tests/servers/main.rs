//! Servers as clients see them: real sockets, real hubs, one Redis; and a server on ASP.NET Core among them.

mod common;
mod crossing;
mod peer;
