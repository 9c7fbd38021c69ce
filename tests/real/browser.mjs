// A real browser over the dashboard: Chromium as the system has it, driven through playwright-core.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';

import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);

/** Where pictures of failed and passed tests go. */
export const SCREENSHOTS = path.resolve(import.meta.dirname, '../../target/screenshots');

const PROGRAMS = ['/usr/bin/chromium', '/usr/bin/google-chrome'];
const ARGUMENTS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export async function launch() {
  const executablePath = PROGRAMS.find((program) => existsSync(program));
  assert.ok(executablePath, `no browser: none of ${PROGRAMS.join(', ')} is there`);
  return chromium.launch({ executablePath, args: ARGUMENTS });
}

/**
 * A page of `browser` with a memory of its own, and everything that went wrong in it. `options` are those of
 * a playwright context: `viewport`, `colorScheme`, `reducedMotion`, `hasTouch`, …
 */
export async function openPage(browser, url, { ready = '[data-connection="live"]', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', ...options });
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(url).origin });
  if (process.env.LASSO_ASSETS) await replaceAssets(context, process.env.LASSO_ASSETS);
  const page = await context.newPage();
  const faults = watch(page);
  await page.goto(url);
  if (ready) await page.locator(ready).first().waitFor({ state: 'attached' });
  return { page, context, faults };
}

/** `LASSO_ASSETS=src/dashboard/assets` shows scripts and styles as they are now, not as the program was built with. */
function replaceAssets(context, folder) {
  return context.route('**/dashboard/assets/**', (route) => {
    const name = new URL(route.request().url()).pathname.slice('/dashboard/assets/'.length);
    return route.fulfill({ path: path.resolve(import.meta.dirname, '../..', folder, name) });
  });
}

/**
 * Collects console errors and warnings, exceptions, failed requests, answers of 400 and more, and requests to any
 * other host.
 */
function watch(page) {
  const faults = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.stack}`));
  page.on('requestfailed', (request) => {
    const { errorText } = request.failure();
    // A page that goes away drops its stream.
    if (errorText !== 'net::ERR_ABORTED') faults.push(`request: ${request.url()}: ${errorText}`);
  });
  page.on('response', (response) => {
    if (response.status() >= 400) faults.push(`response: ${response.url()}: ${response.status()}`);
  });
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.hostname !== '127.0.0.1' && url.protocol !== 'data:') faults.push(`foreign: ${url}`);
  });
  return faults;
}

/** A picture of the page in `SCREENSHOTS`. */
export async function picture(page, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  const file = path.join(SCREENSHOTS, `${name}.png`);
  await page.screenshot({ path: file, animations: 'disabled' });
  return file;
}

/** Holds the page to the accessibility rules of WCAG A and AA: no serious or critical finding. */
export async function accessible(page, name) {
  // Not as a script element: the page's own policy forbids those that are not the router's.
  await page.evaluate(`${await axe()};0`);
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
  const grave = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const findings = grave.map(({ id, help, nodes }) =>
    `${id}: ${help}\n${nodes.slice(0, 5).map((node) => `    ${node.html}\n      ${node.failureSummary}`).join('\n')}`);
  assert.equal(findings.length, 0, `${name}:\n${findings.join('\n')}`);
}

const axe = () => readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
