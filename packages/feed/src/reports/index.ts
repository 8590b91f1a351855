import '../errors.ts';

export type { EarlierPosition, InstanceReport, ReportAnswer } from './report.ts';
export { parseReport } from './report.ts';
