// Every screen, in both themes and at three widths: kept as pictures, and without a violation of WCAG 2.2 AA that axe finds.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { axeSource, captioned, film, launch, person, screenshots, serve, signUp, upload } from './harness.mjs';

const widths = { phone: 390, tablet: 820, wide: 1440 };
let server, browser, ada;

before(async () => {
  mkdirSync(screenshots, { recursive: true });
  server = await serve();
  browser = await launch();
  // axe must be put into the page past its policy; that the policy holds is tested with the policy in place, elsewhere.
  ada = await person(browser, server.url, { bypassCSP: true });
});
after(async () => {
  await browser?.close();
  await server?.close();
});

/** Looks at what the page shows now. */
async function look(page, name) {
  for (const theme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    for (const [kind, width] of Object.entries(widths)) {
      await page.setViewportSize({ width, height: kind === 'phone' ? 844 : 900 });
      await page.waitForTimeout(250);
      await page.screenshot({ path: join(screenshots, `${name}-${theme}-${kind}.png`) });
      const across = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      assert.ok(across <= 0, `${name} is ${across} pixels wider than a ${kind}`);
      if (kind !== 'tablet') await axe(page, `${name}, ${theme}, ${kind}`);
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
}

async function axe(page, what) {
  await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() =>
    window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  const told = violations.map((v) => `${v.id}: ${v.help}\n    ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary.split('\n')[1] ?? ''}`).join('\n    ')}`);
  assert.deepEqual(told, [], what);
}

test('signing in', async () => {
  const { page } = ada;
  await page.goto('/');
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await look(page, 'sign-in');
  await page.getByRole('button', { name: 'Create an account' }).click();
  await look(page, 'sign-up');
});

test('an empty library', async () => {
  await signUp(ada.page, process.env.CAPTIONS_URL ? undefined : 'ada@example.org');
  await ada.page.getByText('Drop your first video here').waitFor();
  await look(ada.page, 'empty');
});

test('choosing files', async () => {
  const { page } = ada;
  const choosing = page.waitForEvent('filechooser');
  await page.getByRole('button', { name: 'Choose a video' }).click();
  const notes = join(screenshots, '..', 'notes.pdf');
  writeFileSync(notes, '%PDF-1.7');
  await (await choosing).setFiles([film.short(), notes]);
  await page.getByText('a PDF document').waitFor();
  await page.getByLabel('Spoken language').waitFor();
  await look(page, 'options');
  await page.keyboard.press('Escape');
});

test('a running job', async () => {
  const { page } = ada;
  await upload(page, film.long());
  await page.getByRole('link', { name: 'Watch its captions appear' }).waitFor();
  await look(page, 'library-running');
  await page.getByRole('link', { name: 'Watch its captions appear' }).click();
  await page.getByRole('button', { name: 'Close the uploads' }).click();
  await page.locator('.line').first().waitFor({ timeout: 60_000 });
  await look(page, 'video-running');
});

test('a video with captions, its editor, its dialogs', async () => {
  const { page } = ada;
  const address = await captioned(page, film.short());
  await page.getByRole('button', { name: 'Close the uploads' }).click();
  await page.locator('.line').nth(1).click();
  await page.locator('.line[aria-current]').waitFor();
  await look(page, 'video');
  await page.getByRole('button', { name: 'Download' }).click();
  await look(page, 'download');
  await page.keyboard.press('Escape');
  await page.goto(address + '/edit');
  await page.locator('.line').nth(1).click();
  await page.getByLabel('Speaker', { exact: true }).fill('Ada');
  await page.getByText('Saved', { exact: true }).waitFor();
  await look(page, 'editor');
  for (const [button, name] of [['Keys', 'keys'], ['Shift captions', 'shift'], ['Name the speakers', 'speakers']]) {
    await page.getByRole('toolbar').getByRole('button', { name: button }).click();
    await page.getByRole('dialog').waitFor();
    await look(page, name);
    await page.keyboard.press('Escape');
  }
});

test('a full library, a search, a failure', async () => {
  const { page } = ada;
  await page.goto('/');
  await upload(page, film.silent());
  await page.getByText('Nothing to caption', { exact: true }).waitFor({ timeout: 60_000 });
  await page.getByRole('button', { name: 'Close the uploads' }).click();
  await page.locator('.thumbnail video.there').first().waitFor();
  await look(page, 'library');
  await page.getByRole('searchbox').fill('river');
  await page.locator('.hit mark').first().waitFor();
  await look(page, 'search');
  await page.getByRole('searchbox').fill('zebra');
  await page.getByText('Nothing matches').waitFor();
  await look(page, 'nothing-found');
  await page.goto('/videos/aaaaaaaaaaaaaaaaaaaaaaaaaa');
  await page.getByRole('heading', { name: 'This video is not here' }).waitFor();
  await look(page, 'not-here');
});
