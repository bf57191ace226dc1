use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use ring::digest::{SHA256, digest};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::Api;
use crate::config::{ApiKey, Scope};
use crate::edge::Problem;

/// The API keys, as digests.
pub struct Keys(Vec<Key>);

struct Key {
    digest: [u8; 32],
    caller: Caller,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// The key's name in the configuration.
    pub(super) name: String,
    scopes: BTreeSet<Scope>,
    /// The backend that it speaks for, if for one.
    pub(super) backend: Option<String>,
}

impl Caller {
    /// As it stands in the log beside what the caller decided.
    pub(super) fn signature(&self) -> String {
        format!("key:{}", self.name)
    }
}

impl Keys {
    /// Those of the configuration.
    pub fn new(keys: &BTreeMap<String, ApiKey>) -> Self {
        let key = |(name, key): (&String, &ApiKey)| Key {
            digest: sha256(key.key.expose()),
            caller: Caller { name: name.clone(), scopes: key.scopes.clone(), backend: key.backend.clone() },
        };
        Self(keys.iter().map(key).collect())
    }

    /// Takes the same time whichever key it is, or none.
    fn find(&self, token: &str) -> Option<&Caller> {
        let given = sha256(token);
        let mut found = u64::MAX;
        for (index, key) in (0..).zip(&self.0) {
            let same: Choice = key.digest.ct_eq(&given);
            found = u64::conditional_select(&found, &index, same);
        }
        self.0.get(usize::try_from(found).ok()?).map(|key| &key.caller)
    }

    /// Who holds the request's key, if the key may do that.
    ///
    /// # Errors
    /// 401 without a key that is known, 403 without the scope.
    pub(super) fn permit(&self, headers: &HeaderMap, scope: Scope) -> Result<&Caller, Problem> {
        let token = bearer(headers).ok_or_else(missing)?;
        let caller = self.find(token).ok_or_else(unknown)?;
        if caller.scopes.contains(&scope) || caller.scopes.contains(&Scope::Admin) {
            return Ok(caller);
        }
        Err(insufficient(scope))
    }
}

/// Lets a request through whose key has the scope, or `admin`.
pub(super) async fn require(
    State((api, scope)): State<(Arc<Api>, Scope)>,
    mut request: Request<Body>,
    next: Next,
) -> Result<Response, Problem> {
    let caller = api.keys.permit(request.headers(), scope)?.clone();
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    bytes
}

/// RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn missing() -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"omnigate\"");
    Problem::unauthorized("an API key is needed: Authorization: Bearer <key of [api.keys]>")
        .with_header(header::WWW_AUTHENTICATE, challenge)
}

fn unknown() -> Problem {
    let challenge = HeaderValue::from_static("Bearer realm=\"omnigate\", error=\"invalid_token\"");
    Problem::unauthorized("this API key is not known").with_header(header::WWW_AUTHENTICATE, challenge)
}

fn insufficient(scope: Scope) -> Problem {
    let name = scope_name(scope);
    let challenge = match scope {
        Scope::Messages => "Bearer realm=\"omnigate\", error=\"insufficient_scope\", scope=\"messages\"",
        Scope::Contacts => "Bearer realm=\"omnigate\", error=\"insufficient_scope\", scope=\"contacts\"",
        Scope::Admin => "Bearer realm=\"omnigate\", error=\"insufficient_scope\", scope=\"admin\"",
    };
    Problem::forbidden(format!("this API key lacks the scope {name:?}"))
        .with("scope", name)
        .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::Messages => "messages",
        Scope::Contacts => "contacts",
        Scope::Admin => "admin",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    fn keys() -> Keys {
        let key = |text: &str, scope| ApiKey { key: Secret::new(text), scopes: BTreeSet::from([scope]), backend: None };
        let keys = [
            ("desk", key("first", Scope::Messages)),
            ("crm", key("second", Scope::Contacts)),
            ("root", key("third", Scope::Admin)),
        ];
        Keys::new(&keys.map(|(name, key)| (name.to_owned(), key)).into())
    }

    fn asking(authorization: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
    }

    #[test]
    fn each_key_is_its_own_caller() {
        let keys = keys();
        assert_eq!(keys.permit(&asking("Bearer first"), Scope::Messages).unwrap().name, "desk");
        assert_eq!(keys.permit(&asking("bearer  second "), Scope::Contacts).unwrap().name, "crm");
        for scope in [Scope::Messages, Scope::Contacts, Scope::Admin] {
            assert_eq!(keys.permit(&asking("BEARER third"), scope).unwrap().name, "root");
        }
    }

    #[test]
    fn what_is_no_key_is_no_caller() {
        let keys = keys();
        for nonsense in ["", "Bearer", "Bearer ", "Basic first", "Bearer firs", "Bearer first2", "first"] {
            let problem = keys.permit(&asking(nonsense), Scope::Messages).unwrap_err();
            assert_eq!(problem.status(), 401, "{nonsense:?}");
        }
        assert_eq!(keys.permit(&HeaderMap::new(), Scope::Messages).unwrap_err().status(), 401);
        assert_eq!(
            Keys::new(&BTreeMap::new()).permit(&asking("Bearer first"), Scope::Messages).unwrap_err().status(),
            401
        );
    }

    #[test]
    fn a_missing_scope_is_named() {
        let problem = keys().permit(&asking("Bearer first"), Scope::Contacts).unwrap_err();
        assert_eq!((problem.status().as_u16(), problem.detail()), (403, "this API key lacks the scope \"contacts\""));
    }
}
