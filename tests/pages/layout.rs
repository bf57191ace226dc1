//! Small screens, and writing from right to left.

use serde_json::{Value, json};

use crate::stage::Stage;

#[tokio::test]
async fn on_a_phone_the_panel_is_the_screen_and_arabic_runs_from_right_to_left() {
    let stage = Stage::start().await;
    stage.site.show("ar", "");
    let visitor = stage.customer().await;
    visitor.wait("one('launcher')", Value::Null).await;
    let launcher =
        visitor.run("return one('launcher').getBoundingClientRect().right < innerWidth / 2", Value::Null).await;
    assert_eq!(launcher, true, "where lines end is on the left");

    let phone = json!({ "width": 375, "height": 667, "deviceScaleFactor": 2, "mobile": true });
    visitor.devtools("Emulation.setDeviceMetricsOverride", phone).await;
    visitor.wait("innerWidth === 375", Value::Null).await;
    visitor.click("launcher").await;
    let fills = "(() => {
        const { left, top, width, height } = one('panel').getBoundingClientRect();
        return left === 0 && top === 0 && width === 375 && height === 667 && !one('launcher');
    })()";
    visitor.wait(fills, Value::Null).await;
    let looks = "const [panel, input] = [one('panel'), one('input')];
        return [getComputedStyle(panel).direction, getComputedStyle(input).direction, input.placeholder, panel.ariaModal,
                one('send').getBoundingClientRect().right < input.getBoundingClientRect().left,
                [...root.querySelectorAll('button')].filter((one) => one.checkVisibility())
                    .every((one) => { const box = one.getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth; })]";
    let looks = visitor.run(looks, Value::Null).await;
    assert_eq!(looks, json!(["rtl", "rtl", "اكتب رسالة", "true", true, true]));

    visitor.say("مرحبا").await;
    visitor.wait("one('message').dataset.state === 'sent'", Value::Null).await;
    let side =
        "const box = one('message').querySelector('.body').getBoundingClientRect(); return box.left < 375 - box.right";
    assert_eq!(visitor.run(side, Value::Null).await, true, "own words are where lines end");
    visitor.click("close").await;
    visitor.wait("one('launcher') && !one('panel')", Value::Null).await;
}
