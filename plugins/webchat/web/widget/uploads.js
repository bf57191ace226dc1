/** Brings files into the gateway's store: a ticket over the socket, then the bytes by PUT. */
class Uploads {
  constructor(connection) {
    Object.assign(this, { connection, asked: new Map(), count: 0, active: 0 });
  }

  /** The ticket's id once the file is stored. Throws a sentence for the visitor where it was refused. */
  async store(file, progress) {
    this.guard(1);
    try {
      return await this.attempt(file, progress, UPLOAD_TRIES);
    } finally {
      this.guard(-1);
    }
  }

  /** Leaving the page would lose the file. Without one there is no listener: it would keep the page out of the back-forward cache. */
  guard(step) {
    this.active += step;
    window[this.active ? 'addEventListener' : 'removeEventListener']('beforeunload', preventDefault);
  }

  async attempt(file, progress, tries) {
    await this.connection.whenReady();
    const ticket = await this.ticket(file);
    const status = ticket ? await this.put(ticket.url, file, progress) : 0;
    if (status >= 200 && status < 300) return ticket.id;
    if ((status && status < 500) || tries <= 1) throw new Refused(say('failed'));
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS_MIN));
    return this.attempt(file, progress, tries - 1);
  }

  ticket(file) {
    const ref = String(++this.count);
    const { name, size: bytes } = file;
    return new Promise((resolve, reject) => {
      this.asked.set(ref, { resolve, reject });
      setTimeout(() => resolve(null), ACK_MS_MAX);
      this.connection.send({ type: 'upload', ref, name, content_type: file.type || 'application/octet-stream', bytes });
    });
  }

  put(address, file, progress) {
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      request.open('PUT', webUrl(address) ?? BASE.href);
      request.setRequestHeader('content-type', file.type || 'application/octet-stream');
      request.upload.onprogress = (event) => event.lengthComputable && progress(event.loaded / event.total);
      request.onloadend = () => resolve(request.status);
      request.send(file);
    });
  }

  answered(frame) {
    const asked = this.asked.get(String(frame.ref));
    this.asked.delete(String(frame.ref));
    if (frame.type === 'upload') asked?.resolve(frame);
    else asked?.reject(new Refused(asText(frame.text) || say('failed')));
  }

  /** The connection broke: whoever waits for a ticket asks again on the next one. */
  land() {
    for (const { resolve } of this.asked.values()) resolve(null);
    this.asked.clear();
  }
}

/** An error whose message is meant for the visitor. */
class Refused extends Error {}

const preventDefault = (event) => event.preventDefault();

const kindOf = (file) => /^(image|audio|video)\//.exec(file.type)?.[1] ?? 'file';
