import { writeFileSync } from 'node:fs';
import { metricsPage, metricsPath } from './metrics-page.ts';

writeFileSync(metricsPath, await metricsPage());
