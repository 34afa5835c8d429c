//! A SignalR server that stock clients cannot tell from ASP.NET Core's.
