// A Backstage front end of the catalog's own pages, as an adopter would write it. Its configuration is in index.html.
import '@backstage/ui/css/styles.css';
import { createApp } from '@backstage/frontend-defaults';
import catalog from '@backstage/plugin-catalog/alpha';
import graph from '@backstage/plugin-catalog-graph/alpha';
import imports from '@backstage/plugin-catalog-import/alpha';
import org from '@backstage/plugin-org/alpha';
import { createRoot } from 'react-dom/client';

const app = createApp({ features: [catalog, graph, imports, org] });
createRoot(document.getElementById('root')).render(app.createRoot());
