const { identity, identityHash, name, email, phone, color } = script.dataset;
const chat = new Chat({ identity, hash: identityHash, name, email, phone, color });
Object.assign(chat.panel.host, { open: () => chat.panel.open(), close: () => chat.panel.close(), reset: () => chat.reset() });
chat.start();
