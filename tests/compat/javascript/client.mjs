// Uses each method of the official client of the Backstage catalog, and prints what came back, as JSON.
// CALLBOARD_URL is the server, CALLBOARD_TOKEN proves who asks, CATALOG_FILES is where catalog/ is served.
import { CATALOG_FILTER_EXISTS, CatalogClient } from '@backstage/catalog-client';

const server = `${process.env.CALLBOARD_URL}/api/catalog`;
const files = process.env.CATALOG_FILES;
const options = { token: process.env.CALLBOARD_TOKEN };
const client = new CatalogClient({ discoveryApi: { getBaseUrl: async () => server } });

const report = {};

async function step(name, call) {
  try {
    report[name] = { value: await call() };
  } catch (error) {
    const { name: kind, message, statusCode, cause } = error;
    report[name] = {
      error: { name: kind, message, statusCode, cause: cause && { name: cause.name, message: cause.message } },
    };
  }
  return report[name].value;
}

// Asks again after each change of the catalog, until `check` is content.
async function eventually(read, check) {
  let offset = 0;
  const end = Date.now() + 30_000;
  for (;;) {
    const value = await read();
    if (check(value) || Date.now() > end) return value;
    const answer = await fetch(`${server}/events?offset=${offset}&wait=5`, {
      headers: { authorization: `Bearer ${options.token}` },
    });
    offset = (await answer.json()).nextOffset;
  }
}

const names = entities => entities.map(entity => entity?.metadata.name);
const collect = async pages => {
  const found = [];
  for await (const page of pages) found.push(page);
  return found;
};

const shop = { 'metadata.labels.part-of': 'shop' };
const byName = { field: 'metadata.name', order: 'asc' };

// Entities

await step('getEntities', async () => {
  const { items } = await client.getEntities({ filter: shop, order: byName }, options);
  return names(items);
});
await step('getEntities filter', async () => {
  const filter = [
    { kind: 'component', 'spec.type': ['website', 'library'] },
    { ...shop, 'spec.definition': CATALOG_FILTER_EXISTS },
  ];
  const order = [{ field: 'kind', order: 'desc' }, byName];
  return (await client.getEntities({ filter, order, fields: ['kind', 'metadata.name'] }, options)).items;
});
await step('getEntities range', async () => {
  const { items } = await client.getEntities({ filter: shop, order: byName, offset: 1, limit: 2 }, options);
  return names(items);
});

const refs = ['component:default/orders', 'component:default/nobody', 'api:default/orders'];
await step('getEntitiesByRefs', async () => {
  const { items } = await client.getEntitiesByRefs({ entityRefs: refs, fields: ['kind'] }, options);
  return items;
});
await step('getEntitiesByRefs filter', async () => {
  const { items } = await client.getEntitiesByRefs({ entityRefs: refs, filter: { kind: 'api' } }, options);
  return names(items);
});
await step('getEntitiesByRefs query', async () => {
  const query = { $not: { kind: 'api' } };
  const filter = { 'spec.type': ['service', 'openapi'] };
  return names((await client.getEntitiesByRefs({ entityRefs: refs, query, filter }, options)).items);
});
await step('getEntitiesByRefs many', async () => {
  const many = [...Array(1500).keys()].map(number => `component:default/c${number}`).concat(refs[0]);
  const { items } = await client.getEntitiesByRefs({ entityRefs: many }, options);
  return [items.length, names(items).filter(Boolean)];
});

async function thereAndBack(request) {
  const pages = [await client.queryEntities({ ...request, orderFields: byName, limit: 2 }, options)];
  while (pages.at(-1).pageInfo.nextCursor) {
    pages.push(await client.queryEntities({ cursor: pages.at(-1).pageInfo.nextCursor, limit: 2 }, options));
  }
  const totals = pages.map(page => page.totalItems);
  const there = pages.map(page => names(page.items));
  while (pages.at(-1).pageInfo.prevCursor) {
    pages.push(await client.queryEntities({ cursor: pages.at(-1).pageInfo.prevCursor, limit: 2 }, options));
  }
  return { totals, there, back: pages.slice(there.length).map(page => names(page.items)) };
}

await step('queryEntities filter', () => thereAndBack({ filter: shop }));
await step('queryEntities query', () => thereAndBack({ query: { $all: [shop, { kind: { $in: ['component', 'api'] } }] } }));
await step('queryEntities filter and query', async () => {
  const request = { filter: shop, query: { 'metadata.tags': { $contains: 'java' } }, fields: ['metadata.name'] };
  return (await client.queryEntities({ ...request, orderFields: [byName] }, options)).items;
});
await step('queryEntities text', async () => {
  const fullTextFilter = { term: ' ORDER ', fields: ['metadata.title', 'metadata.name'] };
  const said = await client.queryEntities({ filter: { kind: 'component' }, fullTextFilter }, options);
  const stated = await client.queryEntities({ query: { kind: 'component' }, fullTextFilter }, options);
  return [names(said.items), names(stated.items)];
});
await step('queryEntities descending', async () => {
  const orderFields = { field: 'metadata.title', order: 'desc' };
  const page = await client.queryEntities({ filter: shop, orderFields, totalItems: 'exclude' }, options);
  return [names(page.items), page.totalItems];
});
await step('queryEntities count', async () => {
  const said = await client.queryEntities({ filter: shop, limit: 0 }, options);
  const stated = await client.queryEntities({ query: shop, limit: 0 }, options);
  return [said, stated].map(({ items, totalItems, pageInfo }) => ({ items, totalItems, pageInfo }));
});
await step('streamEntities', async () => {
  const pages = await collect(client.streamEntities({ filter: shop, orderFields: byName, pageSize: 2 }, options));
  return pages.map(names);
});
await step('streamEntities query', async () => {
  const request = { query: { ...shop, kind: 'component' }, orderFields: byName, pageSize: 2 };
  return (await collect(client.streamEntities(request, options))).map(names);
});

await step('getEntityByRef', async () => {
  const byText = await client.getEntityByRef('Component:orders', options);
  const byParts = await client.getEntityByRef({ kind: 'api', namespace: 'default', name: 'orders' }, options);
  return [byText.kind, byParts.kind];
});
await step('getEntityByRef missing', () => client.getEntityByRef('component:nobody', options));
await step('getEntityAncestors', async () => {
  const { rootEntityRef, items } = await client.getEntityAncestors({ entityRef: 'component:orders' }, options);
  return { rootEntityRef, kinds: items.map(item => item.entity.kind), parents: items.map(item => item.parentEntityRefs.length) };
});
await step('getEntityFacets', () => client.getEntityFacets({ filter: shop, facets: ['kind', 'spec.type'] }, options));
await step('getEntityFacets query', () =>
  client.getEntityFacets({ query: { kind: 'component' }, filter: shop, facets: ['metadata.tags'] }, options),
);
await step('refreshEntity', () => client.refreshEntity('component:default/orders', options));

// Locations

const till = `${files}/till.yaml`;
await step('addLocation dryRun', async () => {
  const { location, entities, exists } = await client.addLocation({ target: till, dryRun: true }, options);
  return { type: location.type, target: location.target, names: names(entities), exists };
});
await step('getLocations none', () => client.getLocations({}, options));
const added = await step('addLocation', () => client.addLocation({ type: 'url', target: till }, options));
await step('addLocation conflict', () => client.addLocation({ target: till }, options));
await step('addLocation refresh', () => client.addLocation({ target: till, onConflict: 'refresh' }, options));
await step('addLocation arrives', async () => {
  const entity = await eventually(() => client.getEntityByRef('component:till', options), Boolean);
  return entity?.metadata.annotations['backstage.io/managed-by-origin-location'];
});
const id = added?.location.id;

await step('getLocations', () => client.getLocations({}, options));
await step('getLocationById', () => client.getLocationById(id, options));
await step('getLocationById missing', () => client.getLocationById('7e6ff3a9-6b0b-4c59-8d3f-2d6a4f0b7b11', options));
await step('getLocationByRef', () => client.getLocationByRef(`url:${till}`, options));
await step('getLocationByRef missing', () => client.getLocationByRef(`url:${till}?`, options));
await step('getLocationByEntity', () => client.getLocationByEntity('component:till', options));
await step('getLocationByEntity missing', () => client.getLocationByEntity('component:nobody', options));
for (const number of [1, 2]) {
  await client.addLocation({ target: `${files}/till.yaml?copy=${number}` }, options);
}
await step('queryLocations', async () => {
  const query = { target: { $hasPrefix: `${till}?copy` } };
  const first = await client.queryLocations({ query, limit: 1 }, options);
  const second = await client.queryLocations({ cursor: first.pageInfo.nextCursor }, options);
  const targets = [...first.items, ...second.items].map(location => location.target).sort();
  return { totals: [first.totalItems, second.totalItems], targets, end: second.pageInfo };
});
await step('streamLocations', async () => {
  const pages = await collect(client.streamLocations({ limit: 2 }, options));
  return pages.map(page => page.length);
});

await step('updateLocation', () => client.updateLocation(id, { target: `${files}/self-checkout.yaml` }, options));
await step('updateLocation arrives', async () => {
  const entity = await eventually(() => client.getEntityByRef('component:self-checkout', options), Boolean);
  return names([entity]);
});
await step('updateLocation conflict', () => client.updateLocation(id, { target: `${till}?copy=1` }, options));
await step('removeLocationById', () => client.removeLocationById(id, options));
await step('removeLocationById removes', () =>
  eventually(() => client.getEntityByRef('component:self-checkout', options), entity => !entity),
);
await step('removeLocationById missing', () => client.removeLocationById(id, options));

// Entities that are not, or no longer, in the catalog

await step('removeEntityByUid', async () => {
  const before = await client.getEntityByRef('component:storefront', options);
  await client.removeEntityByUid(before.metadata.uid, options);
  // Its source still has it, so that it comes back as another one.
  const uid = entity => entity?.metadata.uid;
  const after = await eventually(
    () => client.getEntityByRef('component:storefront', options),
    entity => entity && uid(entity) !== uid(before),
  );
  return after !== undefined && uid(after) !== uid(before);
});

const entity = {
  apiVersion: 'backstage.io/v1alpha1',
  kind: 'Component',
  metadata: { name: 'draft' },
  spec: { type: 'service', lifecycle: 'production', owner: 'sellers' },
};
await step('validateEntity', () => client.validateEntity(entity, `url:${files}/draft.yaml`, options));
await step('validateEntity invalid', () =>
  client.validateEntity({ ...entity, spec: { type: 'service' } }, `url:${files}/draft.yaml`, options),
);
await step('analyzeLocation', () =>
  client.analyzeLocation({ location: { type: 'url', target: 'https://github.com/acme/draft' } }, options),
);
await step('analyzeLocation existing', async () => {
  const analysis = await client.analyzeLocation({ location: { type: 'url', target: files } }, options);
  const found = analysis.existingEntityFiles;
  return { names: names(found.map(file => file.entity)).sort(), drafts: analysis.generateEntities.length };
});

// Errors

await step('error input', () => client.queryEntities({ cursor: 'nonsense' }, options));
await step('error predicate', () => client.queryEntities({ query: { kind: { $like: 'c' } } }, options));
await step('error not found', () => client.getEntityAncestors({ entityRef: 'component:nobody' }, options));
await step('error refresh', () => client.refreshEntity('component:default/nobody', options));
await step('error unauthenticated', () => client.getEntities({}, {}));
await step('error token', () => client.getEntities({}, { token: 'nonsense' }));

const undefinedToo = (_, value) => (value === undefined ? '(undefined)' : value);
console.log(JSON.stringify(report, undefinedToo));
