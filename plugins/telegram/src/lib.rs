//! t
use omnigate_plugin::prelude::*;
struct Telegram;
impl Channel for Telegram {
    fn handle_request(_ctx: &Context, request: Request) -> Result<Outcome, Fault> {
        secrets::equals("webhook_secret", request.signature("x-telegram-bot-api-secret-token")?)?;
        let v: Value = request.json()?;
        let id = v["update_id"].to_string();
        Ok(Outcome::events(vec![Event::Message(Inbound {
            id,
            sender: Identity::new("telegram", "1"),
            aliases: vec![],
            recipients: vec![],
            at: None,
            in_reply_to: None,
            content: Content::of(vec![Part::plain(v["text"].as_str().unwrap_or_default())]),
            metadata: None,
        })]))
    }
    fn send(_: &Context, _: Outbound) -> Result<Receipt, Fault> {
        Err(Fault::unsupported("x"))
    }
}
channel!(Telegram, "../manifest.json");
