//! A case for each conversation, where cases are configured.

use omnigate_plugin::interaction::Interaction;

use crate::activities::title;
use crate::api::{Api, Fields, fields};
use crate::text::line;

pub(crate) const CASE: &str = "Case";
const SUBJECT_MAX: usize = 255;

/// The case that a conversation opens. Its status is the org's own for new ones: written again, it opens none that somebody
/// closed meanwhile.
pub(crate) fn opened(api: &Api, event: &Interaction, contact: &str) -> Option<Fields> {
    let conversation = event.conversation().filter(|_| api.settings.cases)?;
    let title = title(event.data.message.as_ref());
    let subject = if title.is_empty() { format!("Conversation on {}", event.medium()) } else { title };
    let mut case = fields([
        (api.key(), conversation.into()),
        ("Subject", line(&subject, SUBJECT_MAX).into()),
        ("ContactId", contact.into()),
    ]);
    case.extend(api.settings.case_origin.as_deref().map(|origin| ("Origin".to_owned(), origin.into())));
    Some(case)
}

/// What the end of a conversation changes.
pub(crate) fn closed(api: &Api, case: &str) -> Option<Fields> {
    in_status(api, case, api.settings.case_closed_status.as_deref())
}

/// What changes when it goes on.
pub(crate) fn reopened(api: &Api, case: &str) -> Option<Fields> {
    in_status(api, case, api.settings.case_reopened_status.as_deref())
}

fn in_status(api: &Api, case: &str, status: Option<&str>) -> Option<Fields> {
    let status = status.filter(|_| api.settings.cases)?;
    Some(fields([("id", case.into()), ("Status", status.into())]))
}
