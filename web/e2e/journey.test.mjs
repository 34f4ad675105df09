// What people do, and what happens to them, in a real browser against the real program.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { captioned, film, launch, newEmail, password, person, serve, signUp, six, upload } from './harness.mjs';

let server, browser;

before(async () => {
  server = await serve();
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Runs a test with a person of its own, and lets no fault of the page pass. */
function as(name, work, { skip = false, ...options } = {}) {
  test(name, { skip }, async () => {
    const someone = await person(browser, server.url, options);
    try {
      await work(someone);
      assert.deepEqual(someone.faults, [], 'faults of the page');
      assert.deepEqual(someone.foreign, [], 'requests to others');
    } finally {
      await someone.context.close();
    }
  });
}

const saved = (page) => page.getByText('Saved', { exact: true }).waitFor();
const cueText = (page, n) => page.locator('[data-cue]').nth(n).locator('textarea, .line-text');
const textarea = (page) => page.locator('.cue-form textarea');
const transcript = (page) => page.evaluate(() => [...document.querySelectorAll('.lines .line')].map((l) => l.innerText));

async function downloadOf(page, format) {
  const coming = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Download' }).click();
  await page.getByRole('button', { name: format, exact: false }).click();
  const file = await coming;
  return { name: file.suggestedFilename(), text: readFileSync(await file.path(), 'utf8') };
}

as('from a file to captions: upload, watch, find, correct, download, delete', async ({ page, context }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await signUp(page);
  await page.getByText('Drop your first video here').waitFor();
  await upload(page, film.short());
  await page.getByRole('link', { name: 'Watch its captions appear' }).click();
  await page.getByText('Ready', { exact: true }).waitFor({ timeout: 120_000 });
  await page.locator('.line').first().waitFor();
  assert.match((await transcript(page)).join(' '), /fox/);

  // The captions are a real text track of the video, and clicking one plays from there.
  await page.locator('.line').nth(1).click();
  await page.locator('.line[aria-current="true"]').waitFor();
  await page.waitForFunction(() => document.querySelector('video').textTracks[0].activeCues.length === 1);
  const playing = await page.evaluate(() => {
    const v = document.querySelector('video');
    const [track] = v.textTracks;
    return { kind: track.kind, mode: track.mode, all: track.cues.length, active: track.activeCues[0]?.text, time: v.currentTime };
  });
  assert.equal(playing.kind, 'captions');
  assert.equal(playing.mode, 'showing');
  assert.equal(playing.all, await page.locator('.line').count());
  assert.ok(playing.time > 1 && playing.active);

  await page.getByRole('searchbox').fill('river');
  await page.getByText('1 of 1').waitFor();
  assert.equal(await page.locator('.line.hit mark').innerText(), 'river');

  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  await page.locator('.line').first().click();
  await textarea(page).fill('The quick brown fox.');
  await page.getByLabel('Speaker', { exact: true }).fill('Ada');
  await saved(page);
  await page.getByRole('button', { name: 'Done' }).click();
  assert.equal(await page.locator('.speaker').first().innerText(), 'Ada');

  const vtt = await downloadOf(page, 'VTT');
  assert.equal(vtt.name, 'fox.vtt');
  assert.match(vtt.text, /^WEBVTT\n[\s\S]*<v Ada>The quick brown fox\./);
  assert.match((await downloadOf(page, 'SRT')).text, /^1\r?\n00:00:0/);
  assert.match((await downloadOf(page, 'TXT')).text, /fox\./);
  assert.equal(JSON.parse((await downloadOf(page, 'JSON')).text).version > 1, true);

  await page.getByRole('button', { name: 'Copy link' }).click();
  await page.getByRole('button', { name: 'To this second' }).click();
  await page.getByText('The link is copied').waitFor();
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(link, /\/videos\/[a-z2-7]{26}\?t=\d+$/);

  // Found again by a spoken word, at its second.
  await page.goto('/');
  await page.getByRole('searchbox').fill('river');
  await page.locator('.hit').first().click();
  await page.waitForURL(/\?t=\d+/);
  await page.waitForFunction(() => document.querySelector('video')?.currentTime > 3);

  await page.getByRole('button', { name: 'Delete this video' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('Drop your first video here').waitFor();
});

as('several files are dropped at once; one without sound says so, one that is no video is refused', async ({ page }) => {
  await signUp(page);
  const data = await page.evaluateHandle(
    ([a, b]) => {
      const t = new DataTransfer();
      const bytes = (s) => Uint8Array.from(atob(s), (c) => c.charCodeAt(0));
      t.items.add(new File([bytes(a)], 'fox.mp4', { type: 'video/mp4' }));
      t.items.add(new File([bytes(b)], 'silent.mp4', { type: 'video/mp4' }));
      t.items.add(new File(['%PDF-1.7'], 'paper.mp4', { type: 'video/mp4' }));
      return t;
    },
    [film.short(), film.silent()].map((f) => readFileSync(f).toString('base64')),
  );
  await page.dispatchEvent('body', 'dragenter', { dataTransfer: data });
  await page.getByText('Drop to caption').waitFor();
  await page.dispatchEvent('body', 'drop', { dataTransfer: data });
  await page.getByText('a PDF document').waitFor();
  await page.getByRole('button', { name: 'Upload 2 files' }).click();
  await page.getByText('Nothing to caption', { exact: true }).waitFor({ timeout: 60_000 });
  await page.locator('.card', { hasText: 'fox.mp4' }).getByText('Ready').waitFor({ timeout: 120_000 });
  await page.getByRole('button', { name: 'Not captioned' }).click();
  await page.locator('.card').getByText('silent.mp4').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('.card').length === 1);
});

as('captions grow while the job runs; it is cancelled and tried again', async ({ page }) => {
  await signUp(page);
  await upload(page, film.long());
  await page.getByRole('link', { name: 'Watch its captions appear' }).click();
  await page.locator('.line').first().waitFor({ timeout: 60_000 });
  const few = await page.locator('.line').count();
  await page.waitForFunction((n) => document.querySelectorAll('.line').length > n, few, { timeout: 60_000 });
  assert.equal(await page.evaluate(() => document.querySelector('video').textTracks[0].cues.length), await page.locator('.line').count());
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Cancelled', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByText('Ready', { exact: true }).waitFor({ timeout: 180_000 });
  await page.getByRole('button', { name: 'Edit', exact: true }).waitFor();
});

async function slowly(page, context) {
  const cdp = await context.newCDPSession(page);
  await cdp.send('Network.enable');
  const set = (uploadThroughput, offline = false) =>
    cdp.send('Network.emulateNetworkConditions', { offline, latency: 0, downloadThroughput: -1, uploadThroughput });
  await set(10 * 1024 * 1024);
  return { cut: () => set(-1, true), fast: () => set(-1) };
}

const partsOf = async (page) => Number(/(\d+) %/.exec(await page.locator('.transfer').innerText())?.[1] ?? 0);
async function until(page, share) {
  for (let i = 0; i < 600; i++) {
    if ((await partsOf(page)) >= share) return;
    await page.waitForTimeout(50);
  }
  assert.fail(`the upload never came to ${share} %`);
}

as('captions grow where a proxy lets no WebSocket through', async ({ page, context }) => {
  await context.addInitScript(() => {
    const Real = window.WebSocket;
    window.refused = 0;
    window.WebSocket = class {
      constructor(url) {
        window.refused++;
        return new Real(url.replace('/events', '/events/refused'));
      }
    };
  });
  await signUp(page);
  await upload(page, film.long());
  await page.getByRole('link', { name: 'Watch its captions appear' }).click();
  await page.locator('.line').first().waitFor({ timeout: 120_000 });
  await page.getByText('Ready', { exact: true }).waitFor({ timeout: 120_000 });
  assert.ok((await page.evaluate(() => window.refused)) > 0, 'a WebSocket was tried first');
});

as('another audio track is captioned', async ({ page }) => {
  await signUp(page);
  await page.locator('input[type=file]').first().setInputFiles([film.tracks()]);
  await page.getByLabel('Audio track').selectOption('The second');
  await page.getByRole('dialog').getByRole('button', { name: /^Upload/ }).click();
  await page.getByRole('link', { name: 'Watch its captions appear' }).click();
  await page.getByText('Ready', { exact: true }).waitFor({ timeout: 120_000 });
  await page.locator('.line').first().waitFor();
  const text = (await transcript(page)).join(' ');
  assert.match(text, /bridge/);
  assert.doesNotMatch(text, /fox/);
});

as('an upload survives a reload: the same file goes on where it stopped', async ({ page, context }) => {
  await signUp(page);
  await slowly(page, context);
  const puts = [];
  page.on('requestfinished', (r) => r.method() === 'PUT' && puts.push(new URL(r.url()).searchParams.get('partNumber')));
  await upload(page, film.large());
  while (puts.length === 0) await page.waitForEvent('requestfinished');
  page.on('dialog', (d) => d.accept());
  const before = [...puts];
  await page.reload();
  await page.getByText('An upload is not finished').waitFor();
  puts.length = 0;
  await upload(page, film.large());
  await page.getByRole('link', { name: 'Watch its captions appear' }).waitFor({ timeout: 60_000 });
  for (const n of before) assert.ok(!puts.includes(n), `part ${n} was sent twice`);
  await page.getByText('An upload is not finished').waitFor({ state: 'hidden' });
});

as('an upload waits for a lost network and goes on by itself; pause and resume', async ({ page, context }) => {
  await signUp(page);
  const network = await slowly(page, context);
  await upload(page, film.large());
  await until(page, 20);
  await page.getByRole('button', { name: /^Pause/ }).click();
  await page.getByText(/Paused at/).waitFor();
  await page.getByRole('button', { name: /^Resume/ }).click();
  await page.getByText(/\/s/).waitFor();
  await network.cut();
  await page.getByText('Waiting for the network').waitFor({ timeout: 30_000 });
  await page.locator('.banner').waitFor();
  await network.fast();
  await page.getByRole('link', { name: 'Watch its captions appear' }).waitFor({ timeout: 60_000 });
  await page.locator('.banner').waitFor({ state: 'hidden' });
});

as('an upload goes on over a restart of the server', async ({ page, context }) => {
  await signUp(page);
  const network = await slowly(page, context);
  await upload(page, film.large());
  await until(page, 20);
  await server.stop();
  await server.start();
  await network.fast();
  await page.getByRole('link', { name: 'Watch its captions appear' }).waitFor({ timeout: 90_000 });
}, { skip: six && 'the servers of the six lose their data with the deployment; e2e restarts its programs' });

as('a token that has expired is renewed without a word; a session that has ended loses no work', async ({ page, context }) => {
  await page.clock.install();
  const email = await signUp(page);
  const address = await captioned(page, film.short());
  await page.goto(address + '/edit');
  await page.locator('.line').first().click();
  const renewals = [];
  page.on('request', (r) => r.url().endsWith('/auth/refresh') && renewals.push(r.url()));

  await page.clock.fastForward('20:00');
  await textarea(page).fill('Renewed.');
  await saved(page);
  assert.ok(renewals.length >= 1);

  await context.clearCookies();
  // Typed, and not saved yet when the token runs out.
  await textarea(page).fill('Not lost.');
  await page.clock.fastForward('20:00');
  const dialog = page.getByRole('dialog', { name: 'Your session has ended' });
  await dialog.waitFor();
  await dialog.getByText(email).waitFor();
  await dialog.getByLabel('Password', { exact: true }).fill('wrong password');
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await dialog.getByRole('alert').getByText(/./).waitFor();
  await dialog.getByLabel('Password', { exact: true }).fill(password);
  await dialog.getByRole('button', { name: 'Sign in', exact: true }).click();
  await dialog.waitFor({ state: 'hidden' });
  await saved(page);
  assert.equal(await textarea(page).inputValue(), 'Not lost.');
  await page.reload();
  await page.getByText('Not lost.').waitFor();
});

as('tabs share a session: each stays signed in, and signing out ends all', async ({ page, context }) => {
  await signUp(page);
  const others = await Promise.all([1, 2, 3].map(() => context.newPage()));
  await Promise.all(others.map((p) => p.goto('/')));
  await Promise.all(others.map((p) => p.getByText('Drop your first video here').waitFor()));
  await Promise.all([page, ...others].map((p) => p.reload()));
  await Promise.all([page, ...others].map((p) => p.getByText('Drop your first video here').waitFor()));
  assert.deepEqual(await page.evaluate(() => [document.cookie, JSON.stringify(localStorage) + JSON.stringify(sessionStorage)].join('').includes('ey')), false);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await Promise.all([page, ...others].map((p) => p.getByRole('heading', { name: 'Sign in' }).waitFor()));
  await page.reload();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
});

as('two tabs edit: nobody is overwritten silently, and each answer does what it says', async ({ page, context }) => {
  await signUp(page);
  const address = await captioned(page, film.short());
  const other = await context.newPage();
  await Promise.all([page, other].map(async (p) => {
    await p.goto(address + '/edit');
    await p.locator('.line').first().click();
  }));
  await textarea(page).fill('From the first tab.');
  await textarea(other).fill('From the second tab.');
  const conflict = (p) => p.getByRole('dialog', { name: 'These captions were changed elsewhere' });
  const loser = await Promise.race([page, other].map(async (p) => { await conflict(p).waitFor(); return p; }));
  const winner = loser === page ? other : page;
  await saved(winner);
  const kept = await textarea(winner).inputValue();
  await conflict(loser).getByText(kept).waitFor();
  await conflict(loser).getByRole('button', { name: 'Use theirs' }).click();
  await saved(loser);
  await cueText(loser, 0).getByText(kept).waitFor();

  // The loser takes its own words back, which is an edit like any other now; the winner hears of it.
  await loser.getByRole('button', { name: 'Undo' }).click();
  await saved(loser);
  await winner.evaluate(() => dispatchEvent(new Event('focus')));
  await winner.getByText('You see the newest version now').waitFor();
  assert.notEqual(await cueText(winner, 0).innerText(), kept);

  // Keep mine.
  await winner.locator('.line').first().click();
  await textarea(winner).fill('Mine, at last.');
  await saved(winner);
  await textarea(loser).or(loser.locator('.line')).first().click();
  if (!(await textarea(loser).isVisible())) await loser.locator('.line').first().click();
  await textarea(loser).fill('No, mine.');
  await conflict(loser).getByRole('button', { name: 'Keep mine' }).click();
  await saved(loser);
  await page.reload();
  await page.getByText('No, mine.').waitFor();
});

as('unsaved changes survive a reload without a network', async ({ page, context }) => {
  await signUp(page);
  const address = await captioned(page, film.short());
  await page.goto(address + '/edit');
  await page.locator('.line').first().click();
  await page.route('**/transcript', (r) => (r.request().method() === 'PUT' ? r.abort() : r.continue()));
  await textarea(page).fill('Kept in the tab.');
  await page.getByText('Not saved; it tries again').waitFor();
  page.on('dialog', (d) => d.accept());
  await page.reload();
  await page.getByText('Changes that were not saved yet are back').waitFor();
  await page.unroute('**/transcript');
  await saved(page);
  const again = await context.newPage();
  await again.goto(address);
  await again.getByText('Kept in the tab.').waitFor();
});

as('a second user sees nothing of the first', async ({ page }) => {
  await signUp(page);
  const address = await captioned(page, film.short());
  const bob = await person(browser, server.url);
  await signUp(bob.page);
  await bob.page.getByText('Drop your first video here').waitFor();
  for (const path of [address, address + '/edit']) {
    await bob.page.goto(path);
    await bob.page.getByRole('heading', { name: 'This video is not here' }).waitFor();
  }
  assert.ok(!(await bob.page.locator('body').innerText()).includes('fox'));
  await bob.context.close();

  // The same browser, another account: nothing of the first is left on the page.
  await page.goto('/');
  await page.locator('.card:not(.ghost)').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signUp(page);
  await page.getByText('Drop your first video here').waitFor();
  assert.equal(await page.locator('.card, .transfer').count(), 0);
});

as('the whole way by keyboard alone', async ({ page }) => {
  const press = async (...keys) => { for (const k of keys) await page.keyboard.press(k); };
  /** Moves the focus by Tab until it is on what is named so. */
  const tabTo = async (name) => {
    for (let i = 0; i < 60; i++) {
      const here = await page.evaluate(() => {
        const e = document.activeElement;
        if (!e || e === document.body) return '';
        return `${e.getAttribute('aria-label') ?? ''} ${e.labels?.[0]?.innerText ?? ''} ${e.innerText ?? ''}`;
      });
      if (name.test(here)) return;
      await press('Tab');
    }
    assert.fail(`Tab never came to ${name}`);
  };
  await page.goto('/');
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await tabTo(/Create an account/);
  await press('Enter');
  await page.getByRole('heading', { name: 'Create an account' }).waitFor();
  await page.evaluate(() => document.activeElement.blur());
  await tabTo(/E-mail/);
  await page.keyboard.type(newEmail());
  await tabTo(/Password/);
  await page.keyboard.type(password);
  await press('Enter');
  await page.getByText('Drop your first video here').waitFor();

  const choosing = page.waitForEvent('filechooser');
  await tabTo(/Choose a video/);
  await press('Enter');
  await (await choosing).setFiles(film.short());
  await page.getByLabel('Spoken language').waitFor();
  await tabTo(/^\s*Upload/);
  await press('Enter');
  await page.getByRole('link', { name: 'Watch its captions appear' }).waitFor({ timeout: 60_000 });
  await tabTo(/Watch its captions/);
  await press('Enter');
  await page.getByText('Ready', { exact: true }).waitFor({ timeout: 120_000 });
  await page.locator('.line').first().waitFor();
  await tabTo(/Edit/);
  await press('Enter');
  await page.getByRole('toolbar').waitFor();

  const count = () => page.locator('[data-cue]').count();
  const cues = await count();
  await press('Alt+ArrowDown');
  await textarea(page).waitFor();
  await press('Control+End', 'Control+ArrowLeft', 'Control+ArrowLeft', 'Control+Enter');
  await page.waitForFunction((n) => document.querySelectorAll('[data-cue]').length === n + 1, cues);
  await press('Control+Home', 'Backspace'); // back together
  await page.waitForFunction((n) => document.querySelectorAll('[data-cue]').length === n, cues);
  await press('Control+a');
  await page.keyboard.type('By keyboard alone.');
  await press('Alt+ArrowDown', 'Alt+Delete');
  await page.waitForFunction((n) => document.querySelectorAll('[data-cue]').length === n - 1, cues);
  await press('Control+z');
  await page.waitForFunction((n) => document.querySelectorAll('[data-cue]').length === n, cues);
  await press('Control+Shift+z');
  await page.waitForFunction((n) => document.querySelectorAll('[data-cue]').length === n - 1, cues);
  await press('Control+s');
  await saved(page);
  await press('Alt+p');
  await page.waitForFunction(() => !document.querySelector('video').paused);
  await press('Alt+p', 'Escape');
  await textarea(page).waitFor({ state: 'hidden' });

  await page.evaluate(() => document.activeElement.blur());
  await tabTo(/Revert/);
  await press('Enter');
  await tabTo(/^\s*Revert\s*$/);
  await press('Enter');
  await page.waitForFunction((n) => document.querySelectorAll('[data-cue]').length === n, cues);
  await saved(page);
});

as('a server that is away is told, and the page comes back with it', async ({ page }) => {
  await signUp(page);
  await page.route('**/api/v1/captions?**', (r) => r.abort());
  await page.reload();
  await page.getByText('The server cannot be reached').first().waitFor();
  await page.unroute('**/api/v1/captions?**');
  await page.getByText('Drop your first video here').waitFor({ timeout: 30_000 });
});

test('a file over the limit is refused before a byte is sent', async () => {
  const small = await serve({ CAPTIONS_MAX_FILE_SIZE: '1MiB' });
  const { page, context } = await person(browser, small.url);
  try {
    await signUp(page);
    let puts = 0;
    page.on('request', (r) => r.method() === 'PUT' && puts++);
    await upload(page, film.large());
    await page.locator('.transfer.failed').getByText(/1(\.0)? Mi?B/).waitFor();
    assert.equal(puts, 0);
  } finally {
    await context.close();
    await small.close();
  }
});
