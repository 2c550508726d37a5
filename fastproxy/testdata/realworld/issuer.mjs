// An OpenID Connect issuer dressed as Auth0: npm oidc-provider with Auth0's
// paths, its trailing slash in the issuer, its namespaced custom claims in the
// ID token, its `sid`, its two ways of signing out and its `@clients`
// machines. PKCE is required, which Auth0 leaves to the application.
//
//   node issuer.mjs '{"clients":[{"client_id":…,"client_secret":…,"redirect_uris":[…]}]}'
//
// It takes a free loopback port, prints one JSON line (its version, its port,
// its issuer, its people) and ends when its standard input does.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import Provider from 'oidc-provider';
import { people, namespace } from './people.mjs';

const settings = JSON.parse(process.argv[2] ?? '{}');
const audience = settings.audience ?? 'https://fastproxy.test/api';

// The package exports no package.json, so its version is read beside its code.
const entry = createRequire(import.meta.url).resolve('oidc-provider');
const { version } = JSON.parse(readFileSync(join(dirname(entry), '..', 'package.json'), 'utf8'));

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: randomBytes(8).toString('hex'), use: 'sig', alg: 'RS256' };

function client(c) {
  return {
    client_secret: randomBytes(32).toString('hex'),
    token_endpoint_auth_method: 'client_secret_post', // what Auth0 gives a "Regular Web Application"
    grant_types: c.machine ? ['client_credentials'] : ['authorization_code'],
    response_types: c.machine ? [] : ['code'],
    redirect_uris: [],
    ...Object.fromEntries(Object.entries(c).filter(([name]) => name !== 'machine')),
  };
}

function configuration() {
  return {
    clients: (settings.clients ?? []).map(client),
    jwks: { keys: [key] },
    cookies: { keys: [randomBytes(24).toString('hex')] },
    pkce: { required: () => true },
    enabledJWA: { idTokenSigningAlgValues: ['RS256', 'HS256'] }, // a client may ask for `id_token_signed_response_alg`
    // Without the dispatcher, which refuses loopback addresses: here everything has one.
    fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
    // Auth0 puts the claims of the scopes into the ID token as well.
    conformIdTokenClaims: false,
    claims: {
      openid: ['sub', namespace + '/groups'],
      profile: ['name', 'nickname', 'picture', 'locale', 'updated_at'],
      email: ['email', 'email_verified'],
    },
    extraParams: ['audience', 'organization', 'connection', 'screen_hint'],
    routes: {
      authorization: '/authorize',
      token: '/oauth/token',
      userinfo: '/userinfo',
      jwks: '/.well-known/jwks.json',
      end_session: '/oidc/logout',
    },
    ttl: { IdToken: 36000, AccessToken: 86400, Session: 86400, Grant: 86400, Interaction: 600, AuthorizationCode: 60 },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: true },
      clientCredentials: { enabled: true },
      backchannelLogout: { enabled: true },
      rpInitiatedLogout: { enabled: true, logoutSource, postLogoutSuccessSource: (ctx) => { ctx.body = sheet('Signed out', '<p>You are signed out.</p>'); } },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx) => (ctx.oidc.params?.grant_type === 'client_credentials' ? audience : undefined),
        getResourceServerInfo: () => ({ scope: '', audience, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'RS256' } } }),
      },
    },
    formats: {
      customizers: {
        jwt(ctx, token, jwt) {
          if (token.kind === 'ClientCredentials') jwt.payload.sub = `${token.clientId}@clients`;
        },
      },
    },
    interactions: { url: (ctx, interaction) => `/u/login/${interaction.uid}` },
    findAccount: (ctx, sub) => account(sub),
    loadExistingGrant,
    renderError: (ctx, out) => { ctx.body = sheet('Oops!', `<p>${escape(out.error)}: ${escape(out.error_description ?? '')}</p>`); },
  };
}

// account gives the claims of one person. Someone `thin` has a bare ID token:
// e-mail and groups come only from /userinfo.
function account(sub) {
  const person = Object.values(people).find((p) => p.claims.sub === sub);
  if (!person) return undefined;
  return {
    accountId: sub,
    claims: (use) => (person.thin && use === 'id_token' ? { sub } : person.claims),
  };
}

// Auth0 asks no consent of a first-party application.
async function loadExistingGrant(ctx) {
  const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
  grant.addOIDCScope('openid profile email');
  await grant.save();
  return grant;
}

// Auth0 signs out without a question when logout_hint is this session's sid,
// and asks otherwise.
function logoutSource(ctx, form) {
  const { params, session, client: rp } = ctx.oidc;
  const known = rp && params.logout_hint !== undefined && params.logout_hint === session.sidFor(rp.clientId);
  const button = '<button type="submit" form="op.logoutForm" name="logout" value="yes" id="confirm">Yes, sign me out</button>';
  const send = '<input type="hidden" name="logout" value="yes" form="op.logoutForm"><script>document.forms[0].submit()</script>';
  ctx.body = sheet('Sign out', `${form}${known ? send : `<p>Do you want to sign out?</p>${button}`}`);
}

function escape(text) {
  return String(text).replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

function page(res, status, title, body) {
  res.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
  res.end(sheet(title, body));
}

function sheet(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>
<style>body{font:16px/1.5 sans-serif;background:#eceff4;display:grid;place-items:center;min-height:100vh;margin:0}
main{background:#fff;border-radius:6px;padding:2rem 2.5rem;width:20rem;box-shadow:0 2px 12px #0002}h1{font-size:1.3rem;margin-top:0}
input,button{font:inherit;display:block;width:100%;box-sizing:border-box;margin:.3rem 0 .8rem;padding:.5rem}</style>
<main><h1>${title}</h1>${body}</main></html>`;
}

async function form(req) {
  let body = '';
  for await (const chunk of req) body += chunk;
  return new URLSearchParams(body);
}

async function interaction(provider, req, res) {
  const { prompt, params } = await provider.interactionDetails(req, res);
  if (req.method === 'POST') {
    const fields = await form(req);
    if (fields.get('action') === 'cancel') {
      return provider.interactionFinished(req, res, { error: 'access_denied', error_description: 'User did not authorize the request' });
    }
    const person = people[fields.get('username')];
    if (person && fields.get('password') === person.password) {
      if (person.blocked) {
        return provider.interactionFinished(req, res, { error: 'access_denied', error_description: 'user is blocked' });
      }
      return provider.interactionFinished(req, res, { login: { accountId: person.claims.sub } });
    }
  }
  const wrong = req.method === 'POST' ? '<p id="wrong">Wrong username or password.</p>' : '';
  return page(res, 200, 'Welcome', `<p>Log in to ${escape(params.client_id)} to continue.</p>${wrong}
<form method="post" data-prompt="${escape(prompt.name)}"><label>Username<input name="username" autofocus value="${escape(params.login_hint ?? '')}"></label>
<label>Password<input name="password" type="password"></label><button name="action" value="default">Continue</button>
<button name="action" value="cancel">Cancel</button></form>`);
}

// The older way out, which Auth0 keeps for applications that know no `sid`.
async function legacyLogout(provider, req, res, url) {
  const rp = await provider.Client.find(url.searchParams.get('client_id') ?? '');
  const back = url.searchParams.get('returnTo');
  if (!rp || (back && !rp.postLogoutRedirectUriAllowed(back))) {
    return page(res, 400, 'Oops!', '<p>The returnTo querystring parameter is not in the list of allowed logout URLs.</p>');
  }
  const ctx = provider.createContext(req, res);
  const session = await provider.Session.get(ctx);
  if (session.accountId) await session.destroy();
  res.writeHead(302, { location: back ?? '/', 'set-cookie': '_session=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT' });
  return res.end();
}

const server = createServer();
server.listen(settings.port ?? 0, '127.0.0.1', () => {
  const { port } = server.address();
  const issuer = settings.issuer ?? `http://127.0.0.1:${port}/`; // another name where somebody stands in front
  const provider = new Provider(issuer, configuration());
  const handle = provider.callback();
  for (const name of ['server_error', 'grant.error', 'authorization.error', 'userinfo.error', 'backchannel.error']) {
    provider.on(name, (ctx, error) => console.error(`${name}: ${error?.message}: ${error?.error_description ?? error?.cause?.message ?? ''}`));
  }
  server.on('request', (req, res) => {
    const url = new URL(req.url, issuer);
    const fail = (error) => page(res, 400, 'Oops!', `<p>${escape(error.message)}</p>`);
    if (url.pathname.startsWith('/u/login/')) return interaction(provider, req, res).catch(fail);
    if (url.pathname === '/v2/logout') return legacyLogout(provider, req, res, url).catch(fail);
    return handle(req, res);
  });
  console.log(JSON.stringify({ version: `oidc-provider version ${version}, node ${process.version}`, port, issuer, audience, people }));
});

process.stdin.on('end', () => process.exit(0)).resume();
