use omnigate_plugin::prelude::*;

use crate::api::Api;
use crate::chat::Target;

/// Telegram shows typing for five seconds, or until the next message; it cannot be taken back.
pub(crate) fn show(ctx: &Context, recipient: &Identity, signal: &Signal) -> Result<(), Fault> {
    match signal {
        Signal::Typing(true) => type_for_a_while(ctx, &Target::of(recipient)?),
        Signal::Typing(false) => Ok(()),
        Signal::Read(_) => Err(Fault::unsupported("bots cannot mark messages as read")),
    }
}

fn type_for_a_while(ctx: &Context, target: &Target) -> Result<(), Fault> {
    let mut body = json!({ "chat_id": target.chat_id, "action": "typing" });
    if let Some(connection) = &target.business {
        body["business_connection_id"] = connection.as_str().into();
    }
    Api::of(ctx)?.call::<bool>("sendChatAction", &body)?.map(drop).map_err(|refusal| refusal.fault())
}
