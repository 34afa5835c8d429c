// The page of `presence-api dev`: some people side by side, each with connections of their own to the real hub.
import { HttpTransportType, HubConnectionBuilder, HubConnectionState, LogLevel } from '@microsoft/signalr';

const SHOWN = 4;
const EVENTS_KEPT = 200;
const TRY_AGAIN_AFTER_MS = 1000;
/** As the original's web client does: it takes a person for gone who has not announced themselves for 10 s. */
const HEARTBEAT_MS = 5000;
/** A close code that is no clean end: the service takes the link for lost. */
const LOST = 4001;

/** One connection of a person: a tab of their browser. */
class Tab {
  #sockets = new Set();

  constructor(person) {
    this.person = person;
    const sockets = this.#sockets;
    class Socket extends WebSocket {
      constructor(...args) {
        super(...args);
        sockets.add(this);
        this.addEventListener('close', () => sockets.delete(this));
      }
    }
    this.connection = new HubConnectionBuilder()
      .withUrl('/_hubs/presence', {
        transport: HttpTransportType.WebSockets,
        accessTokenFactory: () => person.token(),
        WebSocket: Socket,
      })
      .withAutomaticReconnect({ nextRetryDelayInMilliseconds: () => TRY_AGAIN_AFTER_MS })
      .configureLogging(LogLevel.None)
      .build();
    this.connection.on('PresenceStatusChanged', (userId, status) => person.hears(this, userId, status));
    this.connection.onreconnecting(() => person.show());
    // The service has forgotten whom this connection watched: it is a new one.
    this.connection.onreconnected(() => this.watch().catch((error) => person.tells(error)));
    this.connection.onclose((error) => person.lost(this, error));
  }

  async open() {
    await this.connection.start();
    await this.watch().catch((error) => {
      // The line broke meanwhile: the tab asks when it is back.
      if (this.connection.state !== HubConnectionState.Reconnecting) throw error;
    });
  }

  /** Subscribes first and asks then, so that no change is missed in between. */
  async watch() {
    await Promise.all(this.person.others().map(async (other) => {
      await this.connection.invoke('SubscribeToUserStatus', other.id);
      this.person.sees(other.id, await this.connection.invoke('GetUserStatus', other.id));
    }));
    this.person.show();
  }

  /** Drops the line without saying goodbye. */
  cut() {
    for (const socket of this.#sockets) socket.close(LOST);
  }

  close() {
    return this.connection.stop();
  }
}

class Person {
  tabs = [];
  hasNetwork = true;
  #heartbeat;

  constructor(user, template) {
    Object.assign(this, user);
    this.card = template.content.firstElementChild.cloneNode(true);
    this.card.dataset.user = this.id;
    this.card.style.setProperty('--hue', [...this.id].reduce((hue, c) => (hue * 31 + c.charCodeAt(0)) % 360, 7));
    this.find('.name').textContent = this.name;
    this.find('.avatar').textContent = this.name.slice(0, 1);
    for (const button of this.card.querySelectorAll('[data-action]')) {
      button.addEventListener('click', () => {
        if (button.getAttribute('aria-disabled') !== 'true') this.do(button.dataset.action);
      });
    }
    this.find('.heartbeat').addEventListener('change', (event) => this.#beat(event.target.checked));
  }

  find(selector) {
    return this.card.querySelector(selector);
  }

  /** The tabs that are connected. */
  open() {
    return this.tabs.filter((tab) => tab.connection.state === HubConnectionState.Connected);
  }

  others() {
    return people.filter((person) => person !== this);
  }

  /** Lists the others; nobody knows yet how they are. */
  meet() {
    this.find('.others').replaceChildren(...this.others().map((other) => {
      const line = document.createElement('li');
      line.dataset.of = other.id;
      line.innerHTML = '<span class="dot" aria-hidden="true"></span><span class="other"></span><span class="word"></span>';
      line.querySelector('.other').textContent = other.name;
      return line;
    }));
    this.#forget();
  }

  async token() {
    if (!this.hasNetwork) throw new Error('the network is lost');
    // A fresh one each time: tokens end, and a service that was started again has another key.
    const response = await fetch(`/dev/token?user=${encodeURIComponent(this.id)}`);
    if (!response.ok) throw new Error(`no token: ${response.status}`);
    return (await response.json()).access_token;
  }

  hears(tab, userId, status) {
    // Every tab hears it; one line is enough.
    if (tab === this.open()[0]) log(this.name, people.find((person) => person.id === userId)?.name ?? userId, status);
    this.sees(userId, status);
  }

  sees(userId, status) {
    const line = this.find(`[data-of="${CSS.escape(userId)}"]`);
    if (!line) return;
    line.dataset.status = status;
    line.querySelector('.word').textContent = status;
  }

  tells(error) {
    this.find('.error').textContent = error.message;
    this.find('.error').hidden = false;
  }

  /** A tab is closed for good: by its person, who has taken it away before, or by the service. */
  lost(tab, error) {
    if (!this.tabs.includes(tab)) return;
    this.tabs = this.tabs.filter((other) => other !== tab);
    if (error) this.tells(error);
    this.show();
  }

  show() {
    const open = this.open().length;
    const [state, text] =
      !this.tabs.length ? ['away', 'away']
      : !this.hasNetwork ? ['cut', 'network lost, trying to come back']
      : open < this.tabs.length ? ['trying', 'connecting']
      : ['here', open === 1 ? 'here, over WebSockets' : `here, in ${open} tabs`];
    this.card.dataset.state = state;
    this.find('.state').textContent = text;
    const here = this.tabs.length > 0;
    const allowed = {
      come: !here, go: here, reload: state === 'here', lose: here, tab: state === 'here', announce: state === 'here',
    };
    this.find('[data-action="lose"]').textContent = this.hasNetwork ? 'Lose network' : 'Network back';
    this.find('[data-action="tab"]').textContent = this.tabs.length > 1 ? 'Close a tab' : 'Second tab';
    for (const [action, isAllowed] of Object.entries(allowed)) {
      const button = this.find(`[data-action="${action}"]`);
      // Not `disabled`: who presses a button with the keyboard stays where they are.
      button.setAttribute('aria-disabled', String(!isAllowed));
      button.setAttribute('aria-label', `${button.textContent}: ${this.name}`);
    }
    // One connected tab is enough to know.
    if (!open) this.#forget();
  }

  #forget() {
    for (const other of this.others()) this.sees(other.id, 'unknown');
  }

  async do(action) {
    this.find('.error').hidden = true;
    try {
      await this[action]();
    } catch (error) {
      this.tells(error);
    }
    this.show();
  }

  /** Opens a tab and tells whether it stayed: its person may go while it connects. */
  async come() {
    if (!this.tabs.length) this.hasNetwork = true;
    const tab = new Tab(this);
    this.tabs.push(tab);
    this.show();
    try {
      await tab.open();
      return this.tabs.includes(tab);
    } catch (error) {
      // Who goes while the tab still connects has what they want.
      if (!this.tabs.includes(tab)) return false;
      this.tabs = this.tabs.filter((other) => other !== tab);
      await tab.close();
      throw error;
    }
  }

  async go() {
    const tabs = this.tabs;
    this.tabs = [];
    this.hasNetwork = true;
    this.show();
    await Promise.all(tabs.map((tab) => tab.close()));
  }

  /** As a browser does: the old page goes without a goodbye, the new one connects. */
  async reload() {
    const tabs = this.tabs;
    this.tabs = [];
    for (const tab of tabs) {
      tab.cut();
      tab.close();
    }
    for (const _ of tabs) if (!await this.come()) return;
  }

  async lose() {
    this.hasNetwork = !this.hasNetwork;
    if (!this.hasNetwork) for (const tab of this.tabs) tab.cut();
  }

  async tab() {
    if (this.tabs.length > 1) await this.tabs.pop().close();
    else await this.come();
  }

  async announce() {
    await (this.open()[0] ?? this.tabs[0]).connection.invoke('BroadcastOnlineStatus');
  }

  #beat(isOn) {
    clearInterval(this.#heartbeat);
    if (!isOn) return;
    const beat = () => { if (this.card.dataset.state === 'here') this.do('announce'); };
    beat();
    this.#heartbeat = setInterval(beat, HEARTBEAT_MS);
  }
}

function log(listener, subject, status) {
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toLocaleTimeString();
  const text = document.createElement('span');
  const word = document.createElement('b');
  word.className = status;
  word.textContent = status;
  text.append(`${listener} hears: ${subject} is `, word);
  line.append(time, text);
  const events = document.getElementById('events');
  events.prepend(line);
  while (events.children.length > EVENTS_KEPT) events.lastElementChild.remove();
}

let people = [];

async function main() {
  const response = await fetch('/dev/users');
  const template = document.getElementById('person');
  people = (await response.json()).slice(0, SHOWN).map((user) => new Person(user, template));
  document.getElementById('people').replaceChildren(...people.map((person) => person.card));
  const everyone = (action, condition) => () => people.filter(condition).forEach((person) => person.do(action));
  document.getElementById('all-come').addEventListener('click', everyone('come', (person) => !person.tabs.length));
  document.getElementById('all-go').addEventListener('click', everyone('go', (person) => person.tabs.length));
  document.getElementById('clear').addEventListener('click', () => document.getElementById('events').replaceChildren());
  for (const person of people) {
    person.meet();
    person.show();
  }
}

main().catch((error) => { document.getElementById('people').textContent = `The page cannot be shown: ${error.message}`; });
