//! Files of people: <https://core.telegram.org/bots/api#getfile>

use std::fmt::Write;

use omnigate_plugin::prelude::*;

use crate::api::{Api, Refusal};

/// Asks where the file lies: at most 20 MB, for at least an hour. The gateway puts the token into the address, so the
/// address itself is no secret here.
pub(crate) fn locate(ctx: &Context, file_id: &str) -> Result<http::Request, Fault> {
    #[derive(Deserialize)]
    struct File {
        file_path: Option<String>,
    }
    let api = Api::of(ctx)?;
    let File { file_path } = api.call("getFile", &json!({ "file_id": file_id }))?.map_err(|refusal| fault(&refusal))?;
    let file_path = file_path
        .ok_or_else(|| Fault::unavailable("Telegram names no place of the file").because(ReasonCode::ProviderError))?;
    Ok(api.file(&escaped(&file_path)))
}

fn fault(refusal: &Refusal) -> Fault {
    match refusal.fault() {
        fault if fault.reason == Some(ReasonCode::Rejected) => {
            Fault { kind: FaultKind::NotFound, message: "Telegram has no such file".to_owned(), ..fault }
        }
        fault => fault,
    }
}

/// The path as part of an address; braces would be taken for a slot's name.
fn escaped(path: &str) -> String {
    path.bytes().fold(String::with_capacity(path.len()), |mut address, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' => address.push(byte.into()),
            // Writing to a text cannot fail.
            _ => _ = write!(address, "%{byte:02X}"),
        }
        address
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_paths() {
        assert_eq!(escaped("photos/file_1.jpg"), "photos/file_1.jpg");
        assert_eq!(escaped("a b?c#{bot_token}"), "a%20b%3Fc%23%7Bbot_token%7D");
    }
}
