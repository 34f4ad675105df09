// The page of captions: signing in, uploading, and following one job at a time.

const $ = (id) => document.getElementById(id);
const ended = (state) => ['processed', 'failed', 'skipped', 'cancelled'].includes(state);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const backOff = (attempt) => Math.min(30000, 500 * 2 ** attempt) * (0.5 + Math.random());

function element(tag, properties, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children);
  return e;
}

function clock(seconds) {
  const s = Math.floor(seconds), pad = (n) => String(n).padStart(2, '0');
  return (s >= 3600 ? Math.floor(s / 3600) + ':' : '') + pad(Math.floor(s / 60) % 60) + ':' + pad(s % 60);
}

function show(error) {
  $('error').textContent = error?.message ?? '';
  $('error').hidden = !error;
}

// attempt runs what a user asked for, and shows what went wrong.
const attempt = (work) => async (event) => {
  show(null);
  try { await work(event); } catch (e) { if (e.name !== 'AbortError') show(e); }
};

// ---- API

let token = '';

async function call(method, path, body, headers = {}) {
  if (token) headers.Authorization = 'Bearer ' + token;
  if (body) headers['Content-Type'] = 'application/json';
  try {
    return await fetch('/api/v1/' + path, { method, headers, body: body && JSON.stringify(body) });
  } catch { throw new Error('The server cannot be reached. Check the connection and try again.'); }
}

// api returns the response, or throws what the server says about the error. An expired token is renewed on the way.
async function api(method, path, body, headers) {
  let r = await call(method, path, body, headers);
  if (r.status === 401 && !path.startsWith('auth/')) {
    if (!await refresh()) { enter(null); throw new Error('Your session has ended. Sign in again.'); }
    r = await call(method, path, body, headers);
  }
  if (!r.ok) throw await problem(r);
  return r;
}

async function problem(r) {
  const { detail } = await r.json().catch(() => ({}));
  return Object.assign(new Error(detail ?? `The server answered ${r.status}. Try again.`), { status: r.status });
}

// refresh gets a new access token by the cookie. Tabs take turns, because each cookie works only once.
function refresh() {
  const stale = token;
  const renew = async () => {
    if (token !== stale) return true;
    const r = await call('POST', 'auth/refresh', {});
    if (r.status >= 500 || r.status === 429) throw await problem(r);
    if (!r.ok) return false;
    enter(await r.json());
    return true;
  };
  return navigator.locks ? navigator.locks.request('captions-refresh', renew) : renew();
}

function enter(session) {
  token = session?.access_token ?? '';
  $('email').textContent = session?.user.email ?? '';
  $('account').hidden = $('studio').hidden = !session;
  $('welcome').hidden = !!session;
  if (!session) close();
}

$('credentials').addEventListener('submit', attempt(async (event) => {
  event.preventDefault();
  const f = new FormData(event.target);
  const r = await api('POST', 'auth/' + (event.submitter?.value ?? 'login'), { email: f.get('email'), password: f.get('password'), cookie: true });
  event.target.reset();
  enter(await r.json());
  await list();
}));

$('logout').addEventListener('click', attempt(async () => {
  await api('POST', 'auth/logout', {});
  enter(null);
}));

// ---- Upload: slices of the file go to the storage itself, three at a time

function put(url, blob, onProgress, signal) {
  return new Promise((done, fail) => {
    const x = new XMLHttpRequest();
    x.open('PUT', url);
    x.upload.onprogress = (e) => onProgress(e.loaded);
    x.onload = () => (x.status < 300 ? done() : fail(new Error(`The storage answered ${x.status}. Try again.`)));
    x.onerror = () => fail(new Error('The upload was interrupted. Choose the same file again to go on.'));
    x.onabort = () => fail(new DOMException('stopped', 'AbortError'));
    signal.addEventListener('abort', () => x.abort());
    x.send(blob);
  });
}

// begin finds the unfinished upload of the same file, or creates one.
async function begin(file) {
  const fingerprint = `${file.name}-${file.size}-${file.lastModified}`.slice(-256);
  const { uploads } = await (await api('GET', 'uploads?state=uploading&fingerprint=' + encodeURIComponent(fingerprint))).json();
  const known = uploads.find((u) => u.size === file.size);
  if (known) return (await api('GET', 'uploads/' + known.id)).json();
  return (await api('POST', 'uploads', { name: file.name, size: file.size, fingerprint })).json();
}

async function send(file, signal) {
  const up = await begin(file);
  const size = (n) => Math.min(up.part_size, file.size - (n - 1) * up.part_size);
  const sent = new Map((up.parts ?? []).filter((p) => p.size === size(p.number)).map((p) => [p.number, p.size]));
  const open = Array.from({ length: up.part_count }, (_, i) => i + 1).filter((n) => !sent.has(n));
  const progress = (n, bytes) => {
    sent.set(n, bytes);
    const share = [...sent.values()].reduce((a, b) => a + b, 0) / file.size;
    $('upload-bar').value = share;
    $('upload-text').textContent = `${file.name}: ${Math.floor(share * 100)} %`;
  };
  const sendPart = async (n) => {
    for (let tries = 0; ; tries++) {
      try {
        const { parts: [part] } = await (await api('POST', `uploads/${up.id}/parts`, { numbers: [n] })).json();
        await put(part.url, file.slice((n - 1) * up.part_size, (n - 1) * up.part_size + part.size), (b) => progress(n, b), signal);
        return progress(n, part.size);
      } catch (e) {
        if (tries === 4 || signal.aborted || e.status < 500) throw e;
        await pause(backOff(tries));
      }
    }
  };
  const worker = async () => { while (open.length && !signal.aborted) await sendPart(open.shift()); };
  await Promise.all([worker(), worker(), worker()]);
  signal.throwIfAborted();
  await api('POST', `uploads/${up.id}/complete`);
  return (await api('POST', 'captions', { upload_id: up.id }, { 'Idempotency-Key': up.id })).json();
}

let uploading = null;

const upload = attempt(async (file) => {
  if (!file || uploading) return;
  uploading = new AbortController();
  $('upload-bar').value = 0;
  $('upload-text').textContent = file.name;
  $('upload').hidden = false;
  try {
    const job = await send(file, uploading.signal);
    await Promise.all([follow(job), list()]);
  } catch (e) { uploading.abort(); throw e; } finally {
    uploading = null;
    $('upload').hidden = true;
    $('file').value = '';
  }
});

$('file').addEventListener('change', (e) => upload(e.target.files[0]));
$('upload-stop').addEventListener('click', () => uploading?.abort());
for (const [name, over] of [['dragover', true], ['dragleave', false], ['drop', false]]) {
  $('drop').addEventListener(name, (e) => { e.preventDefault(); $('drop').classList.toggle('over', over); });
}
$('drop').addEventListener('drop', (e) => upload(e.dataTransfer.files[0]));

// ---- One job: progress, video and captions

let current = null; // the job that is shown: {job, video, track, socket}

function close() {
  current?.socket?.close();
  current = null;
  $('job').hidden = true;
}

async function follow(job) {
  close();
  const view = current = { job, track: null, video: element('video', { controls: true, playsInline: true, preload: 'metadata' }) };
  view.track = view.video.addTextTrack('captions', 'Live', job.language || 'en');
  view.track.mode = 'showing';
  view.video.addEventListener('error', () => $('player').replaceChildren(
    element('p', { className: 'quiet', textContent: 'Your browser cannot play this kind of file. Its captions are made all the same.' })));
  view.track.addEventListener('cuechange', () => highlight(view.track));
  $('player').replaceChildren(view.video);
  $('cues').replaceChildren();
  $('job').hidden = false;
  render(job);
  api('GET', 'uploads/' + job.upload_id).then((r) => r.json()).then((u) => { if (u.media_url) view.video.src = u.media_url; })
    .catch(() => $('player').replaceChildren(element('p', { className: 'quiet', textContent: 'The video is not there any more.' })));
  if (job.state === 'processed') await result(view); else if (!ended(job.state)) listen(view);
}

// listen follows the job until it ends, over as many connections as it takes.
async function listen(view) {
  const id = view.job.id;
  for (let attempts = 0; view === current && !ended(view.job.state); attempts++) {
    if (attempts) await pause(backOff(attempts));
    try {
      const { ticket } = await (await api('POST', `captions/${id}/events/ticket`)).json();
      if (view !== current) return;
      await new Promise((closed) => {
        view.socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/v1/captions/${id}/events?ticket=${ticket}`);
        view.socket.onclose = closed;
        view.socket.onmessage = (m) => {
          attempts = 0;
          const { job, segments } = JSON.parse(m.data);
          if (view === current && job.seq >= view.job.seq) update(view, job, segments);
        };
      });
    } catch (e) {
      if (e.status === 404) return;
    }
  }
}

function update(view, job, segments) {
  view.job = job;
  render(job);
  for (const cue of segments.flatMap((s) => s.cues)) view.track.addCue(new VTTCue(cue.start, cue.end, plainText(cue.text)));
  if (segments.length) transcript(view, view.track);
  if (job.state === 'processed') attempt(() => result(view))();
  if (ended(job.state)) list().catch(show);
}

const plainText = (s) => s.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);

// result replaces the live captions by the final ones.
async function result(view) {
  const vtt = await (await api('GET', `result/${view.job.id}?format=vtt`)).blob();
  if (view !== current) return;
  const final = element('track', { kind: 'captions', label: 'Captions', srclang: view.job.language || 'en', src: URL.createObjectURL(vtt), default: true });
  final.addEventListener('load', () => {
    view.track.mode = 'disabled';
    final.track.mode = 'showing';
    transcript(view, final.track);
    final.track.addEventListener('cuechange', () => highlight(final.track));
    URL.revokeObjectURL(final.src);
  });
  view.video.append(final);
  final.track.mode = 'showing';
}

function transcript(view, track) {
  $('cues').replaceChildren(...Array.from(track.cues, (cue) => {
    if (cue.line === 'auto') cue.line = -4 - cue.text.split('\n').length; // above the controls of the player
    const line = element('button', { className: 'plain' },
      element('time', { textContent: clock(cue.startTime) }), element('span', { textContent: cue.getCueAsHTML().textContent }));
    line.addEventListener('click', () => { view.video.currentTime = cue.startTime + 0.01; });
    return element('li', {}, line);
  }));
}

function highlight(track) {
  const now = new Set(track.activeCues);
  Array.from(track.cues).forEach((cue, i) => {
    const line = $('cues').children[i]?.firstChild;
    line?.classList.toggle('now', now.has(cue));
    if (now.has(cue)) $('cues').scrollTop = line.offsetTop - $('cues').offsetTop - 80;
  });
}

function render(job) {
  const eta = job.eta_seconds === null ? '' : `, about ${clock(job.eta_seconds)} left`;
  $('title').textContent = job.title;
  $('badge').textContent = job.state;
  $('badge').className = 'badge ' + job.state;
  $('bar').value = job.progress;
  $('bar').hidden = ended(job.state);
  $('status').textContent = job.reason?.message ?? (ended(job.state) ? '' : `${Math.round(job.progress * 100)} %${eta}`);
  $('retry').hidden = !['failed', 'cancelled'].includes(job.state);
  $('cancel').hidden = ended(job.state);
  $('downloads').replaceChildren(...(job.state === 'processed' ? ['vtt', 'srt', 'txt', 'json'] : []).map((format) => {
    const b = element('button', { className: 'second', textContent: format.toUpperCase(), title: `Download as ${format}` });
    b.addEventListener('click', attempt(() => download(job, format)));
    return b;
  }));
}

async function download(job, format) {
  const blob = await (await api('GET', `result/${job.id}?format=${format}`)).blob();
  const link = element('a', { href: URL.createObjectURL(blob), download: job.title.replace(/\.[^.]*$/, '') + '.' + format });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

for (const action of ['retry', 'cancel']) {
  $(action).addEventListener('click', attempt(async () => {
    await follow(await (await api('POST', `captions/${current.job.id}/${action}`)).json());
    await list();
  }));
}
$('delete').addEventListener('click', attempt(async () => {
  if (!confirm('Delete these captions?')) return;
  await api('DELETE', 'captions/' + current.job.id);
  close();
  await list();
}));

// ---- The list of captions

let timer = 0;

async function list(cursor) {
  clearTimeout(timer);
  const page = await (await api('GET', 'captions' + (cursor ? '?cursor=' + encodeURIComponent(cursor) : ''))).json();
  const rows = page.captions.map((job) => {
    const row = element('button', { className: 'plain' }, element('span', { className: 'name', textContent: job.title }),
      element('time', { className: 'quiet', textContent: new Date(job.created_at).toLocaleString() }),
      element('span', { className: 'badge ' + job.state, textContent: job.state }));
    row.addEventListener('click', attempt(async () => follow(await (await api('GET', 'captions/' + job.id)).json())));
    return element('li', {}, row);
  });
  if (cursor) $('list').append(...rows); else $('list').replaceChildren(...rows);
  $('empty').hidden = $('list').children.length > 0;
  $('more').hidden = !page.next_cursor;
  $('more').onclick = attempt(() => list(page.next_cursor));
  // While something is in progress the first page is kept fresh.
  if (!cursor && page.captions.some((j) => !ended(j.state))) timer = setTimeout(() => list().catch(show), 5000);
}

attempt(async () => {
  if (await refresh().catch((e) => { enter(null); throw e; })) await list(); else enter(null);
})();
