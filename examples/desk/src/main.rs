use anyhow::Context;
use clap::Parser;
use desk::{Desk, Gateway, Secret, router};
use tokio::net::TcpListener;

/// An inbox for agents: takes signed events at /interactions, shows them, and answers through the gateway.
#[derive(Parser)]
struct Arguments {
    /// Where to listen. There is no login: keep it on a loopback address, or put a proxy with one in front.
    #[arg(long, env = "DESK_LISTEN", default_value = "127.0.0.1:8090")]
    listen: String,
    /// The gateway's public address.
    #[arg(long, env = "OMNIGATE_URL", default_value = "http://127.0.0.1:8080")]
    gateway: String,
    /// A key of [api.keys] with the scope "messages". Better given by the environment: arguments show in process lists.
    #[arg(long, env = "OMNIGATE_API_KEY", hide_env_values = true)]
    api_key: String,
    /// The secret of [backends.desk], "whsec_" + base64.
    #[arg(long, env = "DESK_SECRET", hide_env_values = true)]
    secret: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let desk = Desk::new(Secret::parse(&arguments.secret)?, Gateway::new(&arguments.gateway, &arguments.api_key));
    let listener =
        TcpListener::bind(&arguments.listen).await.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    announce(&listener)?;
    tokio::select! {
        served = axum::serve(listener, router(desk)) => served.context("serving stopped"),
        // Live streams to browsers never end by themselves, so there is nothing to wait for.
        stopped = tokio::signal::ctrl_c() => stopped.context("cannot hear signals"),
    }
}

/// One line for whoever started us: with port 0 it is the only way to learn the port.
#[allow(clippy::print_stdout)]
fn announce(listener: &TcpListener) -> anyhow::Result<()> {
    let listen = listener.local_addr()?.to_string();
    println!("{}", serde_json::json!({ "event": "ready", "listen": listen }));
    Ok(())
}
