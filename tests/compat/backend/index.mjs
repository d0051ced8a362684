// An unmodified Backstage catalog with what tells of unprocessed entities and the tools for agents, and one provider, whose
// entities are in the file that `compat.entities` names. The database is PostgreSQL: nothing here needs a native module.
import { readFile } from 'node:fs/promises';
import { createBackend } from '@backstage/backend-defaults';
import { coreServices, createBackendModule } from '@backstage/backend-plugin-api';
import { catalogProcessingExtensionPoint } from '@backstage/plugin-catalog-node';

const directory = createBackendModule({
  pluginId: 'catalog',
  moduleId: 'directory',
  register(env) {
    env.registerInit({
      deps: { catalog: catalogProcessingExtensionPoint, config: coreServices.rootConfig },
      async init({ catalog, config }) {
        const file = config.getOptionalString('compat.entities');
        if (file === undefined) return;
        catalog.addEntityProvider({
          getProviderName: () => 'directory',
          async connect(connection) {
            const entities = JSON.parse(await readFile(file, 'utf8'));
            await connection.applyMutation({
              type: 'full',
              entities: entities.map(entity => ({ entity, locationKey: 'directory' })),
            });
          },
        });
      },
    });
  },
});

const backend = createBackend();
backend.add(import('@backstage/plugin-catalog-backend'));
backend.add(import('@backstage/plugin-catalog-backend-module-unprocessed'));
backend.add(import('@backstage/plugin-mcp-actions-backend'));
backend.add(directory);
await backend.start();
