const STYLE = `
:host { all: initial !important; display: block !important; position: fixed !important; inset: auto !important; inline-size: 0 !important; block-size: 0 !important; z-index: 2147483647 !important; color-scheme: light dark !important; }
:host([hidden]) { display: none !important; }
*, *::before, *::after { box-sizing: border-box; }
[hidden] { display: none !important; }
.root {
--page: #fff; --surface: #f1f3f5; --text: #1b1f24; --muted: #565f6b; --line: #dfe3e8; --bad: #b3261e; --shadow: 0 12px 40px rgb(15 23 42 / .18), 0 2px 8px rgb(15 23 42 / .1);
font: 400 medium/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans Arabic", sans-serif; font-size: .9375em; color: var(--text); text-align: start; -webkit-text-size-adjust: 100%;
}
@media (prefers-color-scheme: dark) {
.root { --page: #17191d; --surface: #262a31; --text: #eceef1; --muted: #a9b1bc; --line: #363c45; --bad: #ff8a80; --shadow: 0 12px 40px rgb(0 0 0 / .55); }
}
button, textarea { font: inherit; color: inherit; margin: 0; }
button { cursor: pointer; touch-action: manipulation; }
svg { inline-size: 1.25em; block-size: 1.25em; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; flex: none; }
:focus { outline: none; }
:focus-visible { outline: 2px solid var(--ring, var(--text)); outline-offset: 2px; }
.sr { position: absolute; inline-size: 1px; block-size: 1px; margin: -1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.launcher { position: fixed; inset-block-end: calc(20px + env(safe-area-inset-bottom)); inset-inline-end: calc(20px + env(safe-area-inset-right)); inline-size: 56px; block-size: 56px; display: grid; place-items: center; border: 1px solid transparent; border-radius: 50%; background: var(--accent); color: var(--on-accent); box-shadow: var(--shadow); }
.launcher svg { inline-size: 26px; block-size: 26px; }
.badge { position: absolute; inset-block-start: -4px; inset-inline-end: -4px; min-inline-size: 22px; padding: 0 6px; border: 2px solid var(--page); border-radius: 12px; background: #b3261e; color: #fff; font-size: 12px; font-weight: 600; line-height: 18px; text-align: center; }

.panel { position: fixed; inset-block-end: calc(88px + env(safe-area-inset-bottom)); inset-inline-end: calc(20px + env(safe-area-inset-right)); inline-size: min(384px, calc(100vw - 40px)); block-size: min(640px, calc(100dvh - 112px)); display: flex; flex-direction: column; overflow: hidden; border: 1px solid var(--line); border-radius: 16px; background: var(--page); box-shadow: var(--shadow); }
.at-left .launcher, .at-left .panel { right: auto; left: calc(20px + env(safe-area-inset-left)); }
.at-right .launcher, .at-right .panel { left: auto; right: calc(20px + env(safe-area-inset-right)); }
header { display: flex; align-items: center; gap: 8px; padding: 14px 16px; background: var(--accent); color: var(--on-accent); --ring: var(--on-accent); }
h2 { flex: 1; margin: 0; font-size: 1.0667em; font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.round { display: grid; place-items: center; inline-size: 40px; block-size: 40px; padding: 0; border: 1px solid transparent; border-radius: 50%; background: transparent; flex: none; }
header .round { color: inherit; margin: -6px; }
.round:hover { background: color-mix(in srgb, currentColor 12%, transparent); }
.banner { display: flex; align-items: center; gap: 8px; padding: 8px 16px; background: var(--surface); color: var(--muted); font-size: .8667em; }
.banner:empty { display: none; }
.banner button, .meta button { padding: 2px 6px; border: 0; border-radius: 6px; background: none; color: inherit; text-decoration: underline; }

.scroll { position: relative; flex: 1; min-block-size: 0; display: flex; }
.log { flex: 1; overflow-y: auto; overscroll-behavior: contain; padding: 16px; --ring: var(--text); outline-offset: -3px; scrollbar-width: thin; }
.log:focus-visible { outline-offset: -3px; }
.day { display: block; margin: 16px 0 8px; color: var(--muted); font-size: .8em; text-align: center; }
.day::first-letter { text-transform: uppercase; }
.message { display: flex; flex-direction: column; align-items: flex-start; margin-block-start: 12px; }
.message.follows { margin-block-start: 3px; }
.message.own { align-items: flex-end; }
.who { margin: 0 12px 3px; color: var(--muted); font-size: .8em; }
.follows .who { display: none; }
.body { display: flex; flex-direction: column; align-items: flex-start; gap: 6px; max-inline-size: 84%; padding: 9px 13px; border: 1px solid transparent; border-radius: 16px; border-end-start-radius: 5px; background: var(--surface); overflow-wrap: anywhere; }
.own .body { border-end-start-radius: 16px; border-end-end-radius: 5px; background: var(--accent); color: var(--on-accent); --ring: var(--on-accent); }
.system .body { background: none; border-color: var(--line); color: var(--muted); }
.failed .body { box-shadow: 0 0 0 2px var(--page), 0 0 0 4px var(--bad); margin-block-end: 4px; }
.text { margin: 0; inline-size: 100%; white-space: pre-wrap; unicode-bidi: plaintext; }
.body a { color: inherit; text-underline-offset: 2px; }
.image { display: block; border-radius: 10px; overflow: hidden; }
.image img { display: block; max-inline-size: 100%; max-block-size: 260px; min-inline-size: 48px; min-block-size: 48px; object-fit: cover; border-radius: 10px; background: var(--line); }
audio, video { max-inline-size: 100%; inline-size: 260px; border-radius: 10px; }
.file { display: inline-flex; align-items: center; gap: 8px; max-inline-size: 100%; text-decoration: none; }
.file span { display: flex; flex-direction: column; min-inline-size: 0; }
.file bdi { text-decoration: underline; text-underline-offset: 2px; }
span.file bdi { text-decoration: none; }
.file small { opacity: .85; }
.card { display: flex; flex-direction: column; }
.choices { display: flex; flex-wrap: wrap; gap: 6px; }
.choices.list { flex-direction: column; align-items: stretch; }
.choices > * { display: flex; flex-direction: column; padding: 7px 13px; border: 1px solid var(--muted); border-radius: 18px; background: var(--page); color: var(--text); text-align: start; text-decoration: none; }
.choices.list > * { border-radius: 10px; }
.choices small { color: var(--muted); }
.choices button:hover:enabled { border-color: var(--text); }
.choices button:disabled { cursor: default; color: var(--muted); border-color: var(--line); }
.choices button[aria-pressed=true] { background: var(--accent); border-color: var(--accent); color: var(--on-accent); }
.meta { display: flex; align-items: center; flex-wrap: wrap; gap: 4px; margin: 3px 6px 0; color: var(--muted); font-size: .7667em; }
.own .meta { justify-content: flex-end; }
.meta svg { inline-size: 1.2em; block-size: 1.2em; }
.failed .meta { color: var(--bad); }
.quiet .meta { display: none; }
progress { inline-size: 90px; block-size: 5px; accent-color: var(--accent); }
.typing { display: flex; align-items: center; gap: 8px; min-block-size: 20px; padding: 0 18px 8px; color: var(--muted); font-size: .8em; }
.dots { display: flex; gap: 3px; }
.dots i { inline-size: 6px; block-size: 6px; border-radius: 50%; background: currentColor; }
.newer { position: absolute; inset-block-end: 10px; inset-inline: 0; margin-inline: auto; inline-size: fit-content; display: flex; align-items: center; gap: 6px; padding: 6px 14px; border: 1px solid var(--line); border-radius: 18px; background: var(--page); box-shadow: var(--shadow); font-size: .8667em; }

.notice { padding: 8px 16px; color: var(--bad); font-size: .8667em; border-block-start: 1px solid var(--line); }
.notice:empty { display: none; }
.tray { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px 12px 0; margin: 0; list-style: none; max-block-size: 96px; overflow-y: auto; }
.tray:empty { display: none; }
.tray li { display: flex; align-items: center; gap: 4px; max-inline-size: 100%; padding-inline-start: 10px; border: 1px solid var(--line); border-radius: 10px; background: var(--surface); font-size: .8667em; }
.tray bdi { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.tray .round { inline-size: 30px; block-size: 30px; }
form { display: flex; align-items: flex-end; gap: 4px; padding: 8px; border-block-start: 1px solid var(--line); background: var(--page); }
.tray:not(:empty) + form, .notice:not(:empty) ~ form { border-block-start: 0; }
textarea { flex: 1; min-inline-size: 0; min-block-size: 40px; max-block-size: 132px; padding: 8px 12px; border: 1px solid var(--muted); border-radius: 20px; background: var(--page); font-size: max(16px, 1em); line-height: 22px; resize: none; overflow-y: auto; field-sizing: content; }
textarea::placeholder { color: var(--muted); opacity: 1; }
textarea:focus-visible { outline-offset: -2px; border-color: transparent; }
.send { background: var(--accent); color: var(--on-accent); }
.send:hover { background: color-mix(in srgb, var(--accent) 86%, var(--on-accent)); }
.send:disabled { background: var(--surface); color: var(--muted); cursor: default; }
.left { padding: 0 20px 6px; color: var(--muted); font-size: .8em; text-align: end; }
.left:empty { display: none; }
.drop { position: absolute; inset: 8px; z-index: 1; display: grid; place-items: center; padding: 16px; border: 2px dashed currentColor; border-radius: 12px; background: color-mix(in srgb, var(--page) 92%, transparent); text-align: center; pointer-events: none; }

@media ${PHONE} {
.panel, .at-left .panel, .at-right .panel { inset: var(--top, 0px) 0 auto 0; inline-size: auto; block-size: var(--height, 100dvh); border: 0; border-radius: 0; }
header { padding-block-start: calc(14px + env(safe-area-inset-top)); padding-inline: calc(16px + env(safe-area-inset-left)) calc(16px + env(safe-area-inset-right)); }
form { padding-block-end: calc(8px + env(safe-area-inset-bottom)); padding-inline: calc(8px + env(safe-area-inset-left)) calc(8px + env(safe-area-inset-right)); }
.is-open .launcher { display: none; }
}
@media (prefers-reduced-motion: no-preference) {
.panel { animation: rise .18s ease-out; }
.dots i { animation: blink 1.2s infinite both; }
.dots i:nth-child(2) { animation-delay: .2s; }
.dots i:nth-child(3) { animation-delay: .4s; }
@keyframes rise { from { opacity: 0; transform: translateY(10px); } }
@keyframes blink { 0%, 80%, 100% { opacity: .3; } 40% { opacity: 1; } }
}
@media (forced-colors: active) {
.launcher, .body, .round, .choices > *, .badge { border-color: ButtonText; }
.own .body, .choices button[aria-pressed=true] { border-color: Highlight; border-width: 2px; }
.dots i { background: CanvasText; }
}
@media print { .root { display: none; } }
`;
