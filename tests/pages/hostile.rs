//! What visitors and agents write stays text, in both pages.

use serde_json::{Value, json};

use crate::browser::Page;
use crate::stage::Stage;

/// Each sets `window.__xss` where it is taken for markup or script.
const PAYLOADS: [&str; 20] = [
    "<script>window.__xss=1</script>",
    "<img src=x onerror=window.__xss=1>",
    "<svg onload=window.__xss=1>",
    "\"><img src=x onerror=\"window.__xss=1\">",
    "'><svg/onload='window.__xss=1'>",
    "javascript:window.__xss=1",
    "http://x.example/\"onmouseover=\"window.__xss=1",
    "<a href=\"javascript:window.__xss=1\">press</a>",
    "<iframe srcdoc=\"<script>parent.__xss=1</script>\"></iframe>",
    "<details open ontoggle=window.__xss=1>",
    "</textarea><img src=x onerror=window.__xss=1>",
    "</style></template></title><img src=x onerror=window.__xss=1>",
    "<math><mtext><table><mglyph><style><img src=x onerror=window.__xss=1>",
    "<input autofocus onfocus=window.__xss=1>",
    "<video><source onerror=window.__xss=1></video>",
    "<object data=\"data:text/html,<script>top.__xss=1</script>\"></object>",
    "<base href=\"https://evil.example/\">",
    "{{constructor.constructor('window.__xss=1')()}}${window.__xss=1}",
    "&lt;img src=x onerror=window.__xss=1&gt;&#60;svg onload=window.__xss=1&#62;",
    "<form action=javascript:window.__xss=1><button autofocus>x",
];

/// Notes what a content policy had to forbid: that would mean that markup had come through.
const TRAP: &str = "window.__forbidden = [];
    document.addEventListener('securitypolicyviolation', (event) => window.__forbidden.push(event.violatedDirective))";
/// Elements and addresses that only markup from outside could have made.
const STRANGE: &str = r#"
    const strange = [...root.querySelectorAll('script, iframe, object, embed, base, math, input:not([data-role=file], #search), details, [onerror], [onload], [onfocus]')]
        .filter((one) => !/\/(widget|desk|parts)\.js$/.test(one.src ?? ''));
    const links = [...root.querySelectorAll('a[href], img[src]')].filter((one) => !/^(https?|blob):/.test(one.href ?? one.src));
    const handlers = [...root.querySelectorAll('a')].filter((one) => one.getAttributeNames().some((name) => name.startsWith('on')));
    return { xss: window.__xss ?? null, forbidden: window.__forbidden, strange: [...strange, ...links, ...handlers].map((one) => one.outerHTML) }"#;

async fn expect_harmless(page: &Page) {
    let found = page.run(STRANGE, Value::Null).await;
    assert_eq!(found, json!({ "xss": null, "forbidden": [], "strange": [] }));
}

/// Writes the text with a file of that name, as a new visitor whose name it is as well.
async fn write_as(stage: &Stage, visitor: &Page, payload: &str) {
    stage.site.show("en", payload);
    visitor.run("localStorage.clear()", Value::Null).await;
    visitor.goto(&stage.site.url()).await;
    visitor.run(TRAP, Value::Null).await;
    visitor.click("launcher").await;
    let send = "const [input, file, files] = [any('input'), any('file'), new DataTransfer()];
        files.items.add(new File(['x'], args, { type: 'text/plain' }));
        file.files = files.files;
        file.dispatchEvent(new Event('change'));
        input.value = args;
        input.dispatchEvent(new Event('input'));
        one('send').click()";
    visitor.run(send, json!(payload)).await;
    visitor.wait("one('message')?.dataset.state === 'sent'", Value::Null).await;
    visitor.wait("one('message').querySelector('.body .text').textContent === args", json!(payload)).await;
    expect_harmless(visitor).await;
}

/// Opens the conversation, which shows the name, the text and the file's name as they are.
async fn read_as_agent(agent: &Page, payload: &str) {
    let find = "globalThis.chosen = all('conversation')
        .find((one) => one.querySelector('.preview').textContent.startsWith(args))";
    agent.wait(find, json!(payload)).await;
    agent.run("chosen.click()", Value::Null).await;
    agent.wait("one('message')?.querySelector('.body > p').textContent === args", json!(payload)).await;
    let names = "return [document.getElementById('name'), chosen.querySelector('.name'),
        document.querySelector('#contact h3'), one('message').querySelector('.file bdi')].map((one) => one.textContent)";
    let names = agent.run(names, Value::Null).await;
    for name in names.as_array().unwrap() {
        assert_eq!(name, payload);
    }
    expect_harmless(agent).await;
}

#[tokio::test]
async fn no_payload_becomes_markup() {
    let stage = Stage::start().await;
    stage.site.show("en", "");
    let (visitor, agent) = (stage.customer().await, stage.agent().await);
    agent.run(TRAP, Value::Null).await;
    for payload in PAYLOADS {
        write_as(&stage, &visitor, payload).await;
        read_as_agent(&agent, payload).await;
        agent.run("any('reply').value = args; any('send').click()", json!(payload)).await;
        visitor.wait("all('message').length === 2 && texts()[1] === args", json!(payload)).await;
        agent.wait("texts().at(-1) === args", json!(payload)).await;
        expect_harmless(&visitor).await;
        expect_harmless(&agent).await;
    }
}
