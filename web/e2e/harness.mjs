// What the browser tests need: the real program with an empty data folder, real videos, and a browser.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const root = fileURLToPath(new URL('../..', import.meta.url));
export const screenshots = join(root, 'build', 'screenshots');
const films = join(root, 'build', 'films');

const flags = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--disable-dev-shm-usage', '--autoplay-policy=no-user-gesture-required',
];

/** The program: CAPTIONS_BIN, or built here. With CAPTIONS_URL the tests drive a server that runs already. */
function program() {
  if (process.env.CAPTIONS_BIN) return process.env.CAPTIONS_BIN;
  execFileSync('go', ['build', '-buildvcs=false', '-o', join(root, 'build', 'captions-e2e'), './cmd/captions'], { cwd: root, stdio: 'inherit' });
  return join(root, 'build', 'captions-e2e');
}

/** A port below those that the system gives to outgoing connections, one of which could take it before the program listens. */
const freePort = (tries = 100) =>
  new Promise((resolve, reject) => {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const s = createServer().once('error', (e) => (tries > 1 ? resolve(freePort(tries - 1)) : reject(e)));
    s.listen(port, '127.0.0.1', () => s.close(() => resolve(port)));
  });

/** Whether the tests drive the six programs and their servers, rather than the one program. Their data goes with their servers. */
export const six = process.env.CAPTIONS_DEPLOYMENT === 'six';

/** The programs and servers of the six, built here. */
function services() {
  const bin = join(root, 'build', 'services-e2e');
  execFileSync('go', ['build', '-buildvcs=false', '-o', bin, './scripts/services'], { cwd: root, stdio: 'inherit' });
  return bin;
}

/** Starts the deployment; `stop` ends it, and `start` starts the one program again with the same data and address. */
export async function serve(env = {}) {
  if (process.env.CAPTIONS_URL) return { url: process.env.CAPTIONS_URL, start: async () => {}, stop: async () => {}, close: async () => {} };
  const bin = six ? services() : program();
  const data = mkdtempSync(join(tmpdir(), 'captions-web-'));
  const port = await freePort();
  const url = `http://localhost:${port}`;
  let child;
  const start = async () => {
    child = spawn(bin, six ? ['--addr', `localhost:${port}`] : ['serve', '--addr', `localhost:${port}`, '--data', data], {
      cwd: root,
      env: { ...process.env, CAPTIONS_SEGMENT_LENGTH: '10s', CAPTIONS_ANONYMOUS_REQUESTS_PER_MINUTE: '-1', CAPTIONS_REQUESTS_PER_MINUTE: '-1', CAPTIONS_LOG_LEVEL: 'warn', ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    for (let i = 0; i < (six ? 3000 : 300); i++) {
      if (child.exitCode !== null) throw new Error(`the program ended with ${child.exitCode}`);
      try {
        if ((await fetch(url)).ok) return;
      } catch {
        // It does not listen yet.
      }
      await new Promise((r) => setTimeout(r, 100));
    }
    throw new Error('the program does not answer');
  };
  const stop = () =>
    new Promise((resolve) => {
      if (child.exitCode !== null) return resolve();
      child.once('exit', resolve);
      child.kill('SIGTERM');
    });
  await start();
  return { url, start, stop, close: async () => { await stop(); rmSync(data, { recursive: true, force: true }); } };
}

export const launch = () =>
  chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: flags });

/** A new browser profile, as one more person has it. What goes wrong in a page fails the test that calls `check`. */
export async function person(browser, url, options = {}) {
  const context = await browser.newContext({ baseURL: url, viewport: { width: 1280, height: 800 }, ...options });
  context.setDefaultTimeout(20_000);
  const faults = [];
  const foreign = [];
  context.on('page', (page) => {
    page.on('pageerror', (e) => faults.push(String(e)));
    page.on('console', (m) => {
      // Answers that are errors are part of the tests; a broken policy is not.
      if (m.type() === 'error' && !/Failed to load resource|WebSocket connection|net::ERR/.test(m.text())) faults.push(m.text());
    });
    page.on('request', (r) => {
      // Of the six, the object store has an address of its own, to which only presigned requests go.
      if (!r.url().startsWith(url) && !/^(blob|data|ws):/.test(r.url()) && !(six && r.url().includes('X-Amz-Signature='))) foreign.push(r.url());
    });
  });
  return { context, page: await context.newPage(), faults, foreign };
}

let people = 0;
export const newEmail = () => `person-${process.pid}-${Date.now()}-${++people}@example.org`;
export const password = 'correct horse battery';

export async function signUp(page, email = newEmail()) {
  await page.goto('/');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await page.getByLabel('E-mail').fill(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Create account' }).click();
  await page.getByRole('heading', { name: 'Your videos', exact: true }).waitFor();
  return email;
}

const sentences = [
  'The quick brown fox jumps over the lazy dog.',
  'Yesterday the weather was cold and the children stayed at home.',
  'A good book is the best friend that you can have.',
  'We walked along the river until the sun went down.',
];

function make(name, args) {
  const path = join(films, name);
  if (existsSync(path)) return path;
  mkdirSync(films, { recursive: true });
  execFileSync('ffmpeg', ['-v', 'error', '-y', ...args, path]);
  return path;
}

function speech(name, text) {
  const path = join(films, name);
  mkdirSync(films, { recursive: true });
  if (!existsSync(path)) execFileSync('flite', ['-voice', 'rms', '-t', text, '-o', path]);
  return path;
}

const picture = (size) => ['-f', 'lavfi', '-i', `gradients=size=${size}:rate=12:duration=600:seed=7:speed=0.02:c0=0x24306b:c1=0x7f6fb5:c2=0xe29a86:c3=0xffd54a:nb_colors=4`];
const h264 = ['-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p', '-c:a', 'aac', '-shortest', '-movflags', '+faststart'];

/** Videos that are made once and kept below build. */
export const film = {
  short: () => make('fox.mp4', [...picture('1280x720'), '-i', speech('fox.wav', sentences.join(' ')), ...h264]),
  long: () => make('walk.mp4', [...picture('1280x720'), '-i', speech('walk.wav', Array(10).fill(sentences.join(' ')).join(' ')), ...h264]),
  /** About 70 MB, so that it has several parts. */
  large: () => make('large.mkv', ['-f', 'lavfi', '-i', 'nullsrc=size=640x360:rate=25,geq=random(1)*255:128:128', '-i', speech('fox.wav', sentences.join(' ')), '-c:v', 'rawvideo', '-pix_fmt', 'yuv420p', '-c:a', 'pcm_s16le', '-t', '8']),
  /** Two audio tracks: the second one says something else. */
  tracks: () => make('tracks.mp4', [...picture('320x180'), '-i', speech('fox.wav', sentences.join(' ')), '-i', speech('bridge.wav', 'The old bridge over the river was closed for three weeks.'), '-map', '0:v', '-map', '1:a', '-map', '2:a', ...h264]),
  silent: () => make('silent.mp4', [...picture('320x180'), '-t', '2', '-c:v', 'libx264', '-preset', 'ultrafast', '-pix_fmt', 'yuv420p']),
};

/** Gives files to the page as the picker would, and accepts the options. */
export async function upload(page, ...paths) {
  await page.locator('input[type=file]').first().setInputFiles(paths);
  await page.getByRole('dialog').getByRole('button', { name: /^Upload/ }).click();
}

/** Uploads a video, waits for its captions, and returns the address of its screen. */
export async function captioned(page, path) {
  await page.goto('/');
  await upload(page, path);
  await page.getByRole('link', { name: 'Watch its captions appear' }).click();
  await page.getByText('Ready', { exact: true }).waitFor({ timeout: 120_000 });
  await page.locator('.line').first().waitFor();
  return new URL(page.url()).pathname;
}

export const axeSource = readFileSync(fileURLToPath(new URL('../node_modules/axe-core/axe.min.js', import.meta.url)), 'utf8');
